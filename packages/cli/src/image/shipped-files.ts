/** Where the recipes and the files for guests lie that come with this program: at the top of a checkout, beside the programs in a release. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

/** Absolute path of the folder. */
export function shippedFolder(name: "images" | "guest"): string {
  const here = import.meta.dirname;
  const candidates = import.meta.filename.endsWith(".ts")
    ? [join(here, "../../../..", name)]
    : // A shared chunk of the bundle lies one folder below the programs.
      [join(here, name), join(dirname(here), name)];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new PlatformError("INTERNAL", `the folder '${name}' is missing: ${candidates.join(" and ")}`, {
    remedy: "install this release again, or build it anew with 'npm run build'",
  });
}
