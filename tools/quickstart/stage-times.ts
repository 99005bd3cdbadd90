/** What took how long, at the end. */
import { elapsed } from "../../packages/cli/src/program/duration.ts";
import type { StageTime } from "./walk.ts";

export function stageTimes(times: readonly StageTime[]): string {
  const total = { title: "in all", durationMs: times.reduce((sum, { durationMs }) => sum + durationMs, 0) };
  const rows = [...times, total].map(({ title, durationMs }) => [title, elapsed(durationMs)] as const);
  const [left, right] = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map(([title, time]) => `  ${title.padEnd(left ?? 0)}   ${time.padStart(right ?? 0)}\n`);
  return `What took how long:\n${lines.join("")}`;
}
