/**
 * The go.mod of a lock as it is first written: Go adds what the packages need indirectly.
 *
 * Kubernetes publishes the parts of its repository (`k8s.io/api`, …) as modules of their own, requires them at v0.0.0 and takes them from folders. Who
 * compiles it from outside replaces exactly these by what was published together: v0.36.3 for v1.36.3.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { GoModFile, ModuleVersion, Replacement } from "./module-files.ts";
import { isOlder } from "./toolchain.ts";

/** `tool` lines are understood since this version. */
export const oldestLockGo = "1.24.0";

export interface LockDocument {
  readonly module: string;
  readonly version: string;
  /** The module's own go.mod. */
  readonly upstream: GoModFile;
  /** Import paths. */
  readonly packages: readonly string[];
  readonly replacements: readonly Replacement[];
}

/** What has to be replaced to compile a module from outside. IMAGE_BUILD_FAILED when it requires something that nobody publishes. */
export function lockReplacements(upstream: GoModFile, version: string): readonly Replacement[] {
  const published = upstream.replace.filter(({ by }) => by.version !== undefined);
  const unpublished = upstream.require.filter(
    (module) => module.version === "v0.0.0" && upstream.replace.some((each) => inFolder(each, module)),
  );
  return [...published, ...unpublished.map((module) => stagingReplacement(upstream.module, version, module))];
}

export function lockGoMod({ module, version, upstream, packages, replacements }: LockDocument): string {
  const go = isOlder(upstream.go, oldestLockGo) ? oldestLockGo : upstream.go;
  const lines = [
    "// Written by 'lm image lock'.",
    `// What ${module} ${version} is compiled from. The lines 'tool' say for which of its packages.`,
    "module liquidmetal.local/lock",
    "",
    `go ${go}`,
    "",
    ...upstream.godebug.map((setting) => `godebug ${setting}`),
    "tool (",
    ...packages.map((each) => `\t${each}`),
    ")",
    "",
    `require ${module} ${version}`,
    "",
    ...(replacements.length > 0 ? ["replace (", ...replacements.map((each) => `\t${replaceLine(each)}`), ")"] : []),
  ];
  return `${lines.join("\n")}\n`;
}

const inFolder = (replacement: Replacement, module: ModuleVersion): boolean =>
  replacement.by.version === undefined && replacement.path === module.path;

function stagingReplacement(module: string, version: string, required: ModuleVersion): Replacement {
  const release = /^v1\.(\d+\.\d+\S*)$/.exec(version)?.[1];
  if (module !== "k8s.io/kubernetes" || !required.path.startsWith("k8s.io/") || release === undefined) {
    throw new PlatformError(
      "IMAGE_BUILD_FAILED",
      `${module} ${version} takes ${required.path} from a folder of its repository and names no published version of it`,
    );
  }
  return { path: required.path, by: { path: required.path, version: `v0.${release}` } };
}

const replaceLine = ({ path, version, by }: Replacement): string =>
  [path, version, "=>", by.path, by.version].filter((word) => word !== undefined).join(" ");
