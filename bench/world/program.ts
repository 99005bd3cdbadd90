/** Which program is measured: the release build when it is current, else the sources. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeFlags } from "../../packages/platform/src/program-location.ts";
import { sourceKey } from "../../tools/build/source-key.ts";

const root = join(import.meta.dirname, "../..");
const sources = {
  capmvm: "packages/capmvm/src/main.ts",
  flintlockd: "packages/host-agent/src/main.ts",
  lm: "packages/cli/src/main.ts",
} as const;
const built = await isBuilt();

export const measuredProgram: "release build" | "sources" = built ? "release build" : "sources";

export function programOf(name: keyof typeof sources): { readonly program: string; readonly args: readonly string[] } {
  const file = built ? join(root, "dist", `${name}.mjs`) : join(root, sources[name]);
  // As its own script and `lm up` start it.
  return { program: process.execPath, args: [...nodeFlags, file] };
}

async function isBuilt(): Promise<boolean> {
  if (process.env["BENCH_SOURCES"] === "1") return false;
  const stamp = join(root, "dist/SOURCE_KEY");
  return existsSync(stamp) && readFileSync(stamp, "utf8") === (await sourceKey(root));
}
