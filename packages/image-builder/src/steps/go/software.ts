/** The bill of materials of compiled Go programs: their own modules, everything linked into them, and Go's standard library. */
import type { BuildInfo, LinkedModule } from "../../go/build-info.ts";
import type { Software } from "../input.ts";

export interface SoftwareOptions {
  readonly licenses: Readonly<Record<string, string>>;
  /** In place of `(devel)`. */
  readonly ownVersion?: string;
}

/** Sorted by purl, each module once. */
export function linkedSoftware(programs: readonly BuildInfo[], options: SoftwareOptions): readonly Software[] {
  const found = new Map<string, Software>();
  for (const { goVersion, main, dependencies } of programs) {
    const standard: Software = {
      name: "stdlib",
      version: goVersion,
      purl: packageUrl("stdlib", goVersion),
      license: "BSD-3-Clause",
    };
    for (const each of [standard, ...[main, ...dependencies].map((module) => software(module, options))]) {
      found.set(each.purl, each);
    }
  }
  return [...found.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
}

function software(module: LinkedModule, { licenses, ownVersion }: SoftwareOptions): Software {
  const version = module.version === "(devel)" ? (ownVersion ?? module.version) : module.version;
  const license = licenses[`${module.path}@${module.version}`];
  return {
    name: module.path,
    version,
    purl: packageUrl(module.path, version),
    ...(license !== undefined && { license }),
    ...(module.digest !== undefined && { digest: module.digest }),
  };
}

/** https://github.com/package-url/purl-spec, type golang: path in lower case. */
export function packageUrl(path: string, version: string): string {
  const name = path.toLowerCase().split("/").map(encodeURIComponent).join("/");
  return `pkg:golang/${name}@${encodeURIComponent(version)}`;
}
