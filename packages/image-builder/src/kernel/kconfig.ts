/**
 * Reads of the kernel's Kconfig files what an option depends on, to say why it is not there. (Documentation/kbuild/kconfig-language.rst)
 *
 * Only for error messages: `make` decides what a configuration is. An option may be declared more than once; it is there when one declaration's
 * conditions hold. What cannot be read is taken as met, so that it is not blamed.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One declaration of an option. */
export interface KconfigEntry {
  /** As in `net/netfilter/Kconfig`. */
  readonly file: string;
  /** Expressions that all have to hold: those of the declaration, and of the menus and ifs around it. `unknown option` where there is no declaration. */
  readonly conditions: readonly string[];
}

/** Declarations by option, of all Kconfig files of a source tree; of `arch/` only the folder of `sourceArchitecture` (`x86`, `arm64`). */
export async function readKconfig(
  source: string,
  sourceArchitecture: string,
): Promise<ReadonlyMap<string, readonly KconfigEntry[]>> {
  const entries = new Map<string, KconfigEntry[]>();
  for (const file of (await readdir(source, { recursive: true })).sort()) {
    const ours = !file.startsWith("arch/") || file === "arch/Kconfig" || file.startsWith(`arch/${sourceArchitecture}/`);
    if (!ours || !/(^|\/)Kconfig[^/]*$/.test(file)) continue;
    const text = await readFile(join(source, file), "utf8").catch(() => "");
    for (const [option, entry] of parseKconfig(file, text))
      entries.set(option, [...(entries.get(option) ?? []), entry]);
  }
  return entries;
}

/** The declarations of one file. */
export function parseKconfig(file: string, text: string): readonly (readonly [string, KconfigEntry])[] {
  const found: [string, { file: string; conditions: string[] }][] = [];
  // What is open around the current line: an if, or a menu or choice with its own conditions.
  const around: string[][] = [];
  let target: string[] | undefined;
  let help: number | undefined;
  for (const line of text.replaceAll("\\\n", " ").split("\n")) {
    const indent = /^[ \t]*/.exec(line)?.[0].replaceAll("\t", "        ").length ?? 0;
    const words = line.trim();
    if (words === "" || words.startsWith("#")) continue;
    // A help text ends with the first line that is indented less than its own first line.
    if (help !== undefined && (help < 0 || indent >= help)) {
      if (help < 0 && indent > 0) help = indent;
      if (indent > 0) continue;
    }
    help = undefined;
    const [word = "", ...rest] = words.split(/\s+/);
    const after = rest.join(" ");
    if (word === "config" || word === "menuconfig") {
      const entry = { file, conditions: around.flat() };
      found.push([after, entry]);
      target = entry.conditions;
    } else if (word === "if") around.push([after]);
    else if (word === "menu" || word === "choice") {
      target = [];
      around.push(target);
    } else if (/^end(if|menu|choice)$/.test(word)) {
      around.pop();
      target = undefined;
    } else if (word === "source" || word === "comment") target = undefined;
    else if (word === "depends") target?.push(after.replace(/^on /, ""));
    else if (word === "help" || word === "---help---") help = -1;
  }
  return found;
}

/** The conditions of an option that this configuration does not meet; of several declarations those of the one that lacks least. */
export function unmetDependencies(
  entries: readonly KconfigEntry[] | undefined,
  configuration: ReadonlyMap<string, string>,
): readonly string[] {
  if (entries === undefined) return ["an option of that name: this kernel has none"];
  const unmet = entries.map(({ conditions }) =>
    conditions.flatMap(conjuncts).filter((condition) => !holds(condition, configuration)),
  );
  return [...new Set(unmet.sort((a, b) => a.length - b.length)[0] ?? [])];
}

/** `a && (b || c)` → `a`, `b || c`. */
function conjuncts(expression: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < expression.length; at += 1) {
    if (expression[at] === "(") depth += 1;
    else if (expression[at] === ")") depth -= 1;
    else if (depth === 0 && expression.startsWith("||", at)) return [expression.trim()];
    else if (depth === 0 && expression.startsWith("&&", at)) {
      parts.push(expression.slice(start, at).trim());
      start = at + 2;
    }
  }
  return [...parts, expression.slice(start).trim()];
}

/** Whether a condition holds. Anything set counts as true: `m` does too. */
function holds(expression: string, configuration: ReadonlyMap<string, string>): boolean {
  const tokens = expression.match(/"[^"]*"|&&|\|\||!=|<=|>=|[!=<>()]|\$\([^)]*\)|[A-Za-z0-9_.-]+/g) ?? [];
  let at = 0;
  const text = (token: string): string =>
    token.startsWith('"')
      ? token.slice(1, -1)
      : (configuration.get(token)?.replaceAll('"', "") ?? (/^([ymn]|\d+)$/.test(token) ? token : "n"));
  const atom = (): boolean => {
    const token = tokens[at++] ?? "y";
    if (token === "!") return !atom();
    if (token === "(") {
      const inner = either();
      at += 1;
      return inner;
    }
    // The answer of a shell command cannot be known here.
    if (token.startsWith("$")) return true;
    const operator = tokens[at];
    if (operator !== "=" && operator !== "!=") {
      if (operator === undefined || !/^[<>]/.test(operator)) return !["n", ""].includes(text(token));
      at += 2;
      return true;
    }
    const other = tokens[at + 1] ?? "";
    at += 2;
    return (text(token) === text(other)) === (operator === "=");
  };
  const both = (): boolean => {
    let all = atom();
    while (tokens[at] === "&&") {
      at += 1;
      // Both sides are read, whatever the first says.
      all = atom() && all;
    }
    return all;
  };
  const either = (): boolean => {
    let any = both();
    while (tokens[at] === "||") {
      at += 1;
      any = both() || any;
    }
    return any;
  };
  return either();
}
