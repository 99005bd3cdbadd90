/** Where our own programs lie: beside each other in a release (`dist/*.mjs`), in their packages in a checkout. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

const checkout = {
  supervisor: "supervisor/main.ts",
  flintlockd: "../../host-agent/src/main.ts",
  lm: "../../cli/src/main.ts",
  spawner: "../../spawner/src/process/main.ts",
  gateway: "gateway/main.ts",
  "plane-keeper": "../../management-plane/src/keeper/main.ts",
  capmvm: "../../capmvm/src/main.ts",
} as const;

/** Absolute path of a program of ours, to be run by `process.execPath`. */
export function programPath(name: keyof typeof checkout): string {
  const here = import.meta.dirname;
  const candidates = import.meta.filename.endsWith(".ts")
    ? [join(here, checkout[name])]
    : // A shared chunk of the bundle lies one folder below the programs.
      [join(here, `${name}.mjs`), join(dirname(here), `${name}.mjs`)];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new PlatformError("INTERNAL", `the program '${name}' is missing: ${candidates.join(" and ")}`, {
    remedy: "install this release again, or build it anew with 'npm run build'",
  });
}

/** Folders that programs read at run time, by their path from the top of a checkout; beside the programs in a release. */
export function shippedFolder(name: "images" | "deploy/capmvm" | "api/crds"): string {
  const here = import.meta.dirname;
  const candidates = import.meta.filename.endsWith(".ts")
    ? [join(here, "../../..", name)]
    : [join(here, name), join(dirname(here), name)];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new PlatformError("INTERNAL", `the folder '${name}' is missing: ${candidates.join(" and ")}`, {
    remedy: "install this release again, or build it anew with 'npm run build'",
  });
}

/** Changes with every build of a release, and with it what runs is replaced; a checkout that changes under a running platform says nothing. */
export function buildKey(): string {
  const version = process.env["LIQUIDMETAL_VERSION"] ?? "0.1.0-dev";
  if (import.meta.filename.endsWith(".ts")) return version;
  const here = import.meta.dirname;
  const file = [join(here, "SOURCE_KEY"), join(dirname(here), "SOURCE_KEY")].find((path) => existsSync(path));
  return file === undefined ? version : `${version} ${readFileSync(file, "utf8").trim()}`;
}

/**
 * Flags that Node needs for our programs. They run for months and mostly wait: a small heap is worth more than the last bit of speed. Without these
 * V8 lets the heap grow to several times what lives in it after a burst of creates.
 */
export const nodeFlags: readonly string[] = [
  "--disable-warning=ExperimentalWarning",
  "--max-semi-space-size=2",
  "--optimize-for-size",
];
