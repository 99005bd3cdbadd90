/** Tables: aligned columns, no borders. On a terminal, elastic columns are cut so that a row stays one line; elsewhere nothing is ever cut. */

export interface Column<T> {
  readonly header: string;
  readonly value: (row: T) => string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
  /** May be cut with `…` where the terminal is too narrow. */
  readonly elastic?: boolean;
}

const gap = 2;
const elasticMinimum = 8;

/**
 * The table as text, lines ended by `\n`. `width`: columns of the terminal; absent = unbounded. `kept`: widths of the rows printed before, when a table
 * is printed row by row; they are widened here, so that columns stay below each other.
 */
export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { readonly width?: number; readonly header?: boolean; readonly kept?: number[] } = {},
): string {
  const cells = rows.map((row) => columns.map((column) => clean(column.value(row))));
  const all = options.header === false ? cells : [columns.map((column) => column.header), ...cells];
  const { kept } = options;
  const widths = columns.map((_, index) =>
    Math.max(kept?.[index] ?? 0, ...all.map((line) => length(line[index] ?? ""))),
  );
  kept?.splice(0, kept.length, ...widths);
  if (options.width !== undefined) shrink(widths, columns, options.width);
  return all
    .map(
      (line) =>
        `${line
          .map((cell, index) => fit(cell, widths[index] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function shrink<T>(widths: number[], columns: readonly Column<T>[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, 0) + gap * (widths.length - 1) - width;
  while (excess > 0) {
    let widest = -1;
    columns.forEach((column, index) => {
      const candidate = widths[index] ?? 0;
      if (column.elastic === true && candidate > elasticMinimum && candidate > (widths[widest] ?? 0)) widest = index;
    });
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
}

function fit(cell: string, width: number): string {
  const own = length(cell);
  if (own <= width) return cell + " ".repeat(width - own);
  return `${[...cell].slice(0, Math.max(0, width - 1)).join("")}…`;
}

const length = (text: string): number => [...text].length;

/** Control characters (which a guest or an image may have put there) never reach the terminal. */
export function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}
