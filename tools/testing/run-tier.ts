/** Runs the files of one tier with Node's test runner and counts what came of it. */
import { relative } from "node:path";
import { run } from "node:test";
import type { Tier } from "./tiers.ts";

export interface TierOutcome {
  passed: number;
  failed: number;
  skipped: number;
}

export async function runTier(tier: Tier, files: readonly string[], say: (line: string) => void): Promise<TierOutcome> {
  const started = performance.now();
  const outcome: TierOutcome = { passed: 0, failed: 0, skipped: 0 };
  say(`── ${tier.name}: ${files.length} files`);
  const stream = run({
    files: [...files],
    concurrency: tier.concurrency,
    timeout: tier.timeoutMs,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  stream.on("test:pass", (event) => {
    if (event.details.type === "suite") return;
    const where = event.file === undefined ? "" : ` (${relative(process.cwd(), event.file)})`;
    if (event.skip !== undefined && event.skip !== false) {
      outcome.skipped++;
      say(`  skipped: ${event.name}${typeof event.skip === "string" ? `: ${event.skip}` : ""}${where}`);
    } else outcome.passed++;
  });
  stream.on("test:fail", (event) => {
    if (event.details.type === "suite" && isOnlySubtests(event.details.error)) return;
    if (event.todo !== undefined && event.todo !== false) return;
    outcome.failed++;
    const where = event.file === undefined ? "" : ` (${relative(process.cwd(), event.file)}:${event.line ?? 0})`;
    say(`  ✘ ${event.name}${where}`);
    say(describe(event.details.error));
  });
  stream.on("test:stderr", (event) => process.stderr.write(event.message));
  stream.on("test:diagnostic", (event) => {
    if (event.level === "error" || event.message.startsWith("Error:")) say(`  ${event.message}`);
  });
  for await (const _event of stream) {
    // Reading the stream to its end is what makes the run go on.
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  say(
    `   ${tier.name}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped in ${seconds} s`,
  );
  return outcome;
}

/** A suite fails because a test in it failed: that test was counted already. */
function isOnlySubtests(error: unknown): boolean {
  return error instanceof Error && "failureType" in error && error.failureType === "subtestsFailed";
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text.replace(/^/gm, "    ");
}
