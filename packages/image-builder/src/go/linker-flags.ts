/** The flags of the linker: no symbol table, no build id, and the variables that a recipe sets, always in the same order. */
import { PlatformError } from "@liquidmetal/foundation";

/** `variables`: values by import path and name, as in `k8s.io/component-base/version.gitVersion`. */
export function linkerFlags(variables: Readonly<Record<string, string>>): string {
  const settings = Object.entries(variables)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      // Go splits the flags at spaces outside of quotes and knows no escapes.
      if (/['"\n\0]/.test(name + value) || !/^[^\s=]+\.[^\s=.]+$/.test(name)) {
        throw new PlatformError(
          "RECIPE_INVALID",
          `the linker cannot set ${JSON.stringify(name)} to ${JSON.stringify(value)}`,
        );
      }
      return /\s/.test(value) ? `-X '${name}=${value}'` : `-X ${name}=${value}`;
    });
  return ["-s", "-w", "-buildid=", ...settings].join(" ");
}
