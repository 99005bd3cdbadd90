/** Which capmvm is measured: the build in dist/ where there is one (`npm run build`), as releases run it, else the sources. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

export function measuredEntry(): string {
  const built = join(root, "dist/capmvm.mjs");
  return existsSync(built) ? built : join(root, "packages/capmvm/src/main.ts");
}
