/**
 * A Machine of Cluster API becomes a Node, with nothing played: see world/machine-proof.ts. It runs in a network namespace of its own without a way out, so
 * that plane, host and guests meet each other and nobody else, and nothing can be pulled.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { missingForWorld } from "./world/world.ts";

const program = join(import.meta.dirname, "world/machine-proof.ts");

test("a Machine becomes a Node that is Ready, dies in sight of everybody, and leaves nothing", {
  skip: missingForWorld() ?? false,
  timeout: 890_000,
}, async (context) => {
  // It dies with this process.
  const child = spawn(
    "unshare",
    ["--net", "setpriv", "--pdeathsig", "KILL", process.execPath, "--disable-warning=ExperimentalWarning", program],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) context.diagnostic(line);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`the proof failed (${code}); its words are above`);
});
