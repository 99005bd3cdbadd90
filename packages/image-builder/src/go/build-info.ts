/** What a compiled Go program says of itself (`go version -m`): the modules that were linked into it, with their digests. */

export interface LinkedModule {
  readonly path: string;
  /** `(devel)` of a module that was compiled from a folder. */
  readonly version: string;
  /** `h1:<base64>`; absent where it was compiled from a folder. */
  readonly digest?: string;
}

export interface BuildInfo {
  /** As in `1.26.8`. */
  readonly goVersion: string;
  /** The package of its `main`. */
  readonly package: string;
  /** The module that holds it. */
  readonly main: LinkedModule;
  /** In Go's order: by path. A module that replaces another stands here under its own name. */
  readonly dependencies: readonly LinkedModule[];
}

/** Reads the answer of `go version -m FILE`. Undefined when it is no Go program with modules. */
export function parseBuildInfo(text: string): BuildInfo | undefined {
  const [head = "", ...lines] = text.split("\n");
  const goVersion = /: go(\S+)/.exec(head)?.[1];
  let program = "";
  let main: LinkedModule | undefined;
  const dependencies: LinkedModule[] = [];
  let last: "mod" | "dep" | undefined;
  for (const line of lines) {
    const [key = "", path = "", version = "", digest = ""] = line.trim().split("\t");
    const module = { path, version, ...(digest.startsWith("h1:") && { digest }) };
    if (key === "path") program = path;
    else if (key === "mod") main = module;
    else if (key === "dep") dependencies.push(module);
    else if (key === "=>" && last === "dep") dependencies[dependencies.length - 1] = module;
    else if (key === "=>" && last === "mod") main = module;
    last = key === "mod" || key === "dep" ? key : undefined;
  }
  return goVersion === undefined || main === undefined
    ? undefined
    : { goVersion, package: program, main, dependencies };
}
