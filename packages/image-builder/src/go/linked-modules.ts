/** The modules that packages are compiled from: downloaded where they are missing (the only time that this needs a network), then compared with go.sum. */
import { PlatformError } from "@liquidmetal/foundation";
import { type UnpackedModule, verifyModules } from "./module-digest.ts";
import { parseGoSum } from "./module-files.ts";
import { type GoRun, runGo } from "./run-go.ts";

export interface LinkedSources {
  /** How many packages will be compiled at most, the standard library's too. */
  readonly packageCount: number;
  readonly modules: readonly UnpackedModule[];
}

export interface SourcesOptions extends Omit<GoRun, "network" | "onLine"> {
  /** Import paths. */
  readonly packages: readonly string[];
  readonly tags: readonly string[];
  /** Text of go.sum. */
  readonly goSum: string;
  readonly report: (text: string, progress?: { readonly done: number; readonly total: number }) => void;
}

/** One line a package: path, version and folder of its module, and of the one that replaces it. Of the standard library an empty one. */
const format =
  "{{with .Module}}{{if not .Main}}{{with .Replace}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{else}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}{{end}}";

export async function linkedSources(options: SourcesOptions): Promise<LinkedSources> {
  const { packages, tags, goSum, report } = options;
  let downloaded = 0;
  const args = ["list", "-deps", "-f", format, ...(tags.length > 0 ? [`-tags=${tags.join(",")}`] : []), ...packages];
  const listed = await runGo(args, {
    ...options,
    network: true,
    onLine: (line) => {
      const module = /^go: downloading (.+)$/.exec(line)?.[1];
      if (module !== undefined) report(`downloading ${module} (${++downloaded})`);
    },
  });
  const lines = listed.replace(/\n$/, "").split("\n");
  const modules = unpacked([...new Set(lines.filter((line) => line !== ""))].sort(), goSum);
  await verifyModules(modules, {
    onVerified: (done) => report("comparing modules with go.sum", { done, total: modules.length }),
    ...(options.signal && { signal: options.signal }),
  });
  return { packageCount: lines.length, modules };
}

function unpacked(lines: readonly string[], goSum: string): readonly UnpackedModule[] {
  const digests = new Map(parseGoSum(goSum).map(({ path, version, digest }) => [`${path}@${version}`, digest]));
  return lines.map((line) => {
    const [path = "", version = "", directory = ""] = line.split("\t");
    const digest = digests.get(`${path}@${version}`);
    if (digest === undefined) {
      const what = version === "" ? `the folder ${path} in place of a module` : `the Go module ${path} ${version}`;
      throw new PlatformError("IMAGE_INPUT_MISMATCH", `go.sum does not vouch for ${what}`, {
        remedy: "write the lock again with 'lm image lock', and look at what changed",
      });
    }
    return { path, version, digest, directory };
  });
}
