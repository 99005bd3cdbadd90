/** Runs the files of one tier, and says what came of them: a line for each file, failure and skip, and one for the tier. */
import { relative } from "node:path";
import type { Finding } from "./tally.ts";
import { runTestProcess, type TestProcessResult } from "./test-process.ts";
import type { Tier } from "./tiers.ts";

export interface TierOutcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export async function runTier(
  tier: Tier,
  files: readonly string[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<TierOutcome> {
  const started = performance.now();
  say(`── ${tier.name}: ${files.length} ${files.length === 1 ? "file" : "files"}`);
  const waiting = tier.files === "apart" ? files.map((file) => [file]) : shares(files, tier.concurrency);
  const results: TestProcessResult[] = [];
  const work = async (): Promise<void> => {
    for (let batch = waiting.shift(); batch !== undefined && !signal.aborted; batch = waiting.shift()) {
      const result = await runTestProcess(batch, { timeoutMs: tier.timeoutMs, signal });
      results.push(result);
      if (tier.files === "apart") say(fileLine(batch[0] ?? "", result));
      for (const line of findings(result)) say(line);
    }
  };
  await Promise.all(Array.from({ length: tier.concurrency }, work));
  const outcome = {
    passed: sum(results, (result) => result.passed),
    failed: sum(results, (result) => result.failures.length),
    skipped: sum(results, (result) => result.skips.length),
  };
  const { passed, failed, skipped } = outcome;
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  say(`   ${tier.name}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s`);
  return outcome;
}

/** Dealt out like cards, so that neighbours, which are often alike in weight, go to different processes. */
function shares(files: readonly string[], count: number): string[][] {
  const dealt = Array.from({ length: count }, (_, share) => files.filter((_file, index) => index % count === share));
  return dealt.filter((share) => share.length > 0);
}

function fileLine(file: string, result: TestProcessResult): string {
  const mark = result.failures.length > 0 ? "✘" : result.passed > 0 ? "✔" : "-";
  return `  ${mark} ${relative(process.cwd(), file)} (${result.passed} passed, ${(result.durationMs / 1_000).toFixed(1)} s)`;
}

function findings(result: TestProcessResult): readonly string[] {
  const failures = result.failures.flatMap((failure) => [
    `  ✘ ${failure.title}${place(failure)}`,
    ...(failure.detail === "" ? [] : [indented(failure.detail)]),
  ]);
  const skips = result.skips.map(
    (skip) =>
      `  skipped: ${skip.title}${skip.detail === "" ? "" : `: ${skip.detail.replace(/\s+/g, " ")}`}${place(skip)}`,
  );
  const output =
    result.failures.length > 0 && result.output.trim() !== "" ? ["    it printed:", indented(result.output)] : [];
  return [...failures, ...output, ...skips];
}

function place(finding: Finding): string {
  if (finding.file === "") return "";
  return ` (${relative(process.cwd(), finding.file)}${finding.line > 0 ? `:${finding.line}` : ""})`;
}

const indented = (text: string): string => text.trimEnd().replace(/^/gm, "    ");

const sum = <T>(values: readonly T[], of: (value: T) => number): number =>
  values.reduce((total, value) => total + of(value), 0);
