/** What is wrong with a recipe, and where: all of it at once, each with the lines around it, as compilers say it. */
import { PlatformError } from "@liquidmetal/foundation";
import type { Path, RecipeText } from "./recipe-text.ts";

export interface Problem {
  readonly path: Path;
  /** Points at the key instead of its value. */
  readonly atKey?: boolean;
  readonly message: string;
}

/** More than this are counted, not printed. */
const printedProblems = 20;

/** RECIPE_INVALID with `file:line:column: message` and a code frame for each problem, in the order of the file. */
export function recipeError(source: RecipeText, problems: readonly Problem[]): PlatformError {
  const placed = problems
    .map((problem) => ({ problem, place: source.place(problem.path, problem.atKey === true) }))
    .sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const printed = placed.slice(0, printedProblems).map(({ problem, place }) => {
    const head = `${source.file}:${place.line}:${place.column}: ${problem.message}`;
    return `${head}\n${codeFrame(source.text, place.line, place.column, place.length)}`;
  });
  if (placed.length > printedProblems) printed.push(`… and ${placed.length - printedProblems} more`);
  const first = placed[0]?.place ?? { line: 1, column: 1 };
  return new PlatformError("RECIPE_INVALID", printed.join("\n"), {
    details: { file: source.file, line: first.line, column: first.column, problems: placed.length },
  });
}

/** The line, the one before it, and a mark below what is meant. Long lines are cut, control characters shown as spaces. */
export function codeFrame(text: string, line: number, column: number, length: number): string {
  const lines = text.split("\n");
  const digits = String(line).length;
  const shown = (number: number): string => (lines[number - 1] ?? "").slice(0, 160).replace(/[\x00-\x1f\x7f]/g, " ");
  const row = (number: number, mark: string): string =>
    `${mark} ${String(number).padStart(digits)} | ${shown(number)}`.trimEnd();
  const marked = Math.max(1, Math.min(length, shown(line).length - column + 1));
  const frame = line > 1 ? [row(line - 1, " ")] : [];
  frame.push(row(line, ">"));
  if (column <= 160) frame.push(`  ${" ".repeat(digits)} | ${" ".repeat(column - 1)}${"^".repeat(marked)}`);
  return frame.join("\n");
}
