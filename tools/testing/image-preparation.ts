/**
 * Builds the images that tests boot before the tests run, saying what is made and how long it took: a first build compiles for minutes, which belongs
 * neither into a test's deadline nor into silence. What is in the cache costs nothing, and says nothing.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { PreparedImage } from "./tiers.ts";

const lm = join(import.meta.dirname, "../../bin/lm");
const buildTimeoutMs = 45 * 60_000;
const keptLines = 15;
const done = new Set<string>();

/** Returns what could not be built, one line each; the tests that need it will tell more. Ends early when the signal says so. */
export async function prepareImages(
  images: readonly PreparedImage[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const image of images) {
    const key = JSON.stringify([image.recipe, image.parameters]);
    if (done.has(key) || signal.aborted) continue;
    done.add(key);
    const failure = await prepareImage(image, say, signal);
    if (failure !== undefined && !signal.aborted) failures.push(failure);
  }
  return failures;
}

async function prepareImage(
  { recipe, parameters = {}, work }: PreparedImage,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const settings = Object.entries(parameters).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
  const plan = await run(["image", "build", recipe, ...settings, "--plan", "-o", "json"], signal, () => {});
  if (plan.code !== 0) return `${recipe} cannot be planned: ${plan.end}`;
  if (!/"cached": false/.test(plan.stdout)) return undefined;
  say(`Building ${recipe}, once: ${work}`);
  const startedMs = performance.now();
  const built = await run(["image", "build", recipe, ...settings], signal, (line) => {
    // A line for each layer that is there; the rest is for terminals.
    if (/^ {2}[✓=] /.test(line)) say(`  ${line}`);
  });
  if (built.code !== 0) return `${recipe} could not be built: ${built.end}`;
  say(`  ${recipe} took ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
  return undefined;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** The last lines of what it said, on one. */
  readonly end: string;
}

function run(args: readonly string[], signal: AbortSignal, onLine: (line: string) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(lm, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: buildTimeoutMs,
      signal,
      // Ctrl-C of a terminal reaches it too: it cleans up by itself.
      killSignal: "SIGTERM",
    });
    let stdout = "";
    let rest = "";
    const lines: string[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) onLine(line);
      lines.push(...parts);
      lines.splice(0, lines.length - keptLines);
    });
    child.on("error", (error) => (signal.aborted ? resolve({ code: 130, stdout, end: "interrupted" }) : reject(error)));
    child.on("close", (code) => resolve({ code, stdout, end: [...lines, rest].join(" ").replace(/\s+/g, " ").trim() }));
  });
}
