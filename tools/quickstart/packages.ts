/** The first stage of both ways: what apt has to install. */
import { installPackages, missingPackages, type Purpose } from "../setup/system-packages.ts";
import type { Walk } from "./walk.ts";

export function installMissing(walk: Walk, purposes: readonly Purpose[]): Promise<number> {
  return walk.stage(
    "System packages",
    async (_stage, report) => {
      const names = [...new Set(missingPackages(purposes).map((entry) => entry.name))];
      if (names.length > 0) report(`installing ${names.join(" ")}`);
      await installPackages(names, report);
      return names.length;
    },
    (count) => (count === 0 ? "all there" : `${count} installed`),
  );
}
