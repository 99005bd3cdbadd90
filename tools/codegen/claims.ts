/**
 * Pages that claim something of the product name the tests that show it. This reads such pages: tables whose last column is `file › test name`, the files by short
 * names that a last table gives.
 */
export interface Reference {
  readonly file: string;
  /** The test's name; `…` stands for any text. */
  readonly name: string;
}

/** Cells of the rows below the heads of all tables. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  const ruled = (line: string | undefined): boolean => line !== undefined && /^\|[ |-]+\|$/.test(line);
  return rows
    .filter((line, at) => !ruled(line) && !ruled(rows[at + 1]))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

/** Path by short name. */
export function filesOf(index: string): ReadonlyMap<string, string> {
  return new Map(rowsOf(index).map(([name = "", path = ""]) => [name.replaceAll("`", ""), path.replaceAll("`", "")]));
}

/** `file › name; › another name of that file; other-file › name`. */
export function referencesIn(cell: string): readonly Reference[] {
  let file = "";
  return cell.split(";").map((part) => {
    const [, named, name = ""] = /^\s*([a-z0-9-]*)\s*›\s*(.+?)\s*$/.exec(part) ?? [];
    file = named || file;
    return { file, name };
  });
}

/** Whether a test (or the first cell of a row in a table of tests) is called so. */
export function isNamedIn(source: string, name: string): boolean {
  const body = name
    .split("…")
    .map((part) => escaped(part.trim()))
    .join("[^\\n]*");
  const end = name.endsWith("…") ? "" : "\\1";
  return new RegExp(`(?:\\b(?:test|it|step|describe|check)\\(|\\[)\\s*(["'\`])${body}${end}`).test(source);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
