/** A key of everything that goes into a build: tells whether `dist/` is current. */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";

export async function sourceKey(root: string): Promise<string> {
  const hash = createHash("sha256");
  const patterns = [
    "packages/*/src/**/*.{ts,js}",
    "package-lock.json",
    "tools/build/*.ts",
    "{images,guest,deploy/capmvm,api/crds}/**",
  ];
  const files = globSync(patterns, { cwd: root, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of files.map((entry) => relative(root, join(entry.parentPath, entry.name))).sort()) {
    if (file.endsWith(".test.ts")) continue;
    hash
      .update(`${file}\0`)
      .update(await readFile(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}
