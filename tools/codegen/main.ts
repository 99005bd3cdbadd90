/** `npm run generate`: messages from protos, reference pages from code. What it writes is checked in; tests compare. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generatedPages } from "./pages.ts";

const root = join(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

execFileSync(bin("buf"), ["generate"], { cwd: root, stdio: "inherit" });
for (const page of generatedPages()) {
  await writeFile(join(root, page.path), page.text);
  process.stderr.write(`wrote ${page.path}\n`);
}
await writeFile(join(root, "docs/cli.md"), execFileSync(join(root, "bin/lm"), ["_reference"]));
execFileSync(process.execPath, ["--test", "packages/host-agent/src/api/http-wire.test.ts"], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, UPDATE_GOLDEN: "1" },
});
process.stderr.write("wrote docs/cli.md and api/openapi/flintlock.json\n");
