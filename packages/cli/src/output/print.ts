/** Prints objects in the wanted form: one function for lists, one for a single object. */
import type { Session } from "../program/session.ts";
import type { Json } from "./format.ts";
import { type Column, clean, renderTable } from "./table.ts";

export interface Presentation<T> {
  readonly columns: readonly Column<T>[];
  /** The documented object. */
  readonly json: (item: T) => Json;
  /** One line for `-o name`. */
  readonly name: (item: T) => string;
}

/** A list: a table, or an array of objects. An empty list is an empty array, or a table without rows (its header goes to nobody). */
export async function printList<T>(
  session: Session,
  items: readonly T[],
  presentation: Presentation<T>,
  options: { readonly header?: boolean; readonly kept?: number[] } = {},
): Promise<void> {
  switch (session.format) {
    case "json":
      return session.print(JSON.stringify(items.map(presentation.json), null, 2));
    case "yaml":
      return session.print(await toYaml(items.map(presentation.json)));
    case "name":
      for (const item of items) session.print(presentation.name(item));
      return;
    case "table":
    case "wide":
      if (items.length > 0) session.print(table(session, items, presentation, options));
      return;
    default:
      session.format satisfies never;
  }
}

/** One object: in `table` and `wide` form a table of one row, unless `describe` renders it better. */
export async function printOne<T>(
  session: Session,
  item: T,
  presentation: Presentation<T>,
  describe?: (item: T) => string,
): Promise<void> {
  switch (session.format) {
    case "json":
      return session.print(JSON.stringify(presentation.json(item), null, 2));
    case "yaml":
      return session.print(await toYaml(presentation.json(item)));
    case "name":
      return session.print(presentation.name(item));
    case "table":
    case "wide":
      return session.print(describe?.(item) ?? table(session, [item], presentation, {}));
    default:
      session.format satisfies never;
  }
}

export async function toYaml(value: Json): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value, { lineWidth: 0 });
}

/** `Key:  value` lines, aligned; nested by two blanks where a value has several lines. */
export function renderFields(fields: readonly (readonly [string, string | undefined])[]): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== undefined && field[1] !== "");
  const width = Math.max(0, ...shown.map(([key]) => key.length)) + 1;
  return shown
    .map(([key, value]) => {
      const [first = "", ...rest] = value.split("\n").map(clean);
      const head = `${`${key}:`.padEnd(width)}  ${first}`.trimEnd();
      return [head, ...rest.map((line) => `${" ".repeat(width + 2)}${line}`)].join("\n");
    })
    .join("\n")
    .concat("\n");
}

function table<T>(
  session: Session,
  items: readonly T[],
  presentation: Presentation<T>,
  options: { readonly header?: boolean; readonly kept?: number[] },
): string {
  const columns = presentation.columns.filter((column) => session.format === "wide" || column.wide !== true);
  const width = session.terminal.stdout.isTTY === true ? session.terminal.stdout.columns : undefined;
  return renderTable(items, columns, { ...options, ...(width === undefined ? {} : { width }) });
}
