/**
 * What `go.mod` and `go.sum` say, as far as an image is concerned: the module, the Go that it wants, what replaces what, the packages that a lock
 * compiles (its `tool` lines), and the digest of every module's content.
 *
 * The formats: https://go.dev/ref/mod#go-mod-file and https://go.dev/ref/mod#go-sum-files. Unknown directives are left alone.
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface ModuleVersion {
  readonly path: string;
  readonly version: string;
}

export interface Replacement {
  readonly path: string;
  /** Absent = every version. */
  readonly version?: string;
  /** A folder has no version. */
  readonly by: { readonly path: string; readonly version?: string };
}

export interface GoModFile {
  readonly module: string;
  /** The `go` directive; `1.16` where there is none, as Go reads it. */
  readonly go: string;
  /** `godebug` lines, as in `default=go1.26`. */
  readonly godebug: readonly string[];
  readonly require: readonly ModuleVersion[];
  readonly replace: readonly Replacement[];
  /** Packages of `tool` lines. */
  readonly tools: readonly string[];
}

export interface SummedModule extends ModuleVersion {
  /** `h1:<base64>` of the module's files. */
  readonly digest: string;
}

/** IMAGE_BUILD_FAILED when it has no `module` line. */
export function parseGoMod(text: string, where = "go.mod"): GoModFile {
  const found = { module: "", go: "1.16" };
  const godebug: string[] = [];
  const require: ModuleVersion[] = [];
  const replace: Replacement[] = [];
  const tools: string[] = [];
  for (const [directive, ...words] of directives(text)) {
    const [first, second] = words;
    if (first === undefined) continue;
    if (directive === "module") found.module = first;
    else if (directive === "go") found.go = first;
    else if (directive === "godebug") godebug.push(first);
    else if (directive === "tool") tools.push(first);
    else if (directive === "require" && second !== undefined) require.push({ path: first, version: second });
    else if (directive === "replace") replace.push(...replacement(words));
  }
  if (found.module === "") throw new PlatformError("IMAGE_BUILD_FAILED", `${where} names no module`);
  return { ...found, godebug, require, replace, tools };
}

/** Modules whose content `go.sum` vouches for, in its order. Lines of `go.mod` files only are left out. */
export function parseGoSum(text: string): readonly SummedModule[] {
  return text.split("\n").flatMap((line) => {
    const [path, version, digest] = line.trim().split(/\s+/);
    if (path === undefined || version === undefined || digest === undefined) return [];
    return version.endsWith("/go.mod") || !digest.startsWith("h1:") ? [] : [{ path, version, digest }];
  });
}

/** What is compiled in place of a required module: itself, where nothing replaces it. */
export function replaced(module: ModuleVersion, replacements: readonly Replacement[]): Replacement["by"] {
  const same = replacements.filter(({ path }) => path === module.path);
  const exact =
    same.find(({ version }) => version === module.version) ?? same.find(({ version }) => version === undefined);
  return exact?.by ?? module;
}

/** Each directive with its words, blocks taken apart: `require ( a v1 )` is `require a v1`. */
function* directives(text: string): Generator<readonly string[]> {
  let block: string | undefined;
  for (const raw of text.split("\n")) {
    const words = raw
      .replace(/\/\/.*$/, "")
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "")
      .map(unquoted);
    if (words.length === 0) continue;
    if (block !== undefined && words[0] === ")") block = undefined;
    else if (block !== undefined) yield [block, ...words];
    else if (words[1] === "(") block = words[0];
    else yield words;
  }
}

const unquoted = (word: string): string => word.replace(/^(["`])(.*)\1$/, "$2");

function replacement(words: readonly string[]): readonly Replacement[] {
  const arrow = words.indexOf("=>");
  const [path, version] = words.slice(0, Math.max(arrow, 0));
  const [by, byVersion] = words.slice(arrow + 1);
  if (path === undefined || by === undefined) return [];
  return [
    {
      path,
      ...(version !== undefined && { version }),
      by: { path: by, ...(byVersion !== undefined && { version: byVersion }) },
    },
  ];
}
