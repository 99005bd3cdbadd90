/** The command line of one command, parsed by commander from the command's own declaration. */
import { CommanderError, Option, Command as Parser } from "commander";
import type { Command, Invocation } from "./command.ts";
import { type Flag, flagsOf } from "./flag.ts";
import { FlagValues, type RawFlagValue, usage } from "./flag-values.ts";

/** A switch that is given twice, or a single value given twice, is taken as last said; unknown flags are errors with a suggestion. Throws REQUEST_INVALID. */
export function parseCommandLine(command: Command, argv: readonly string[]): Invocation {
  const flags = flagsOf(command);
  const parser = new Parser(command.path.join(" "))
    .exitOverride()
    .helpOption(false)
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  for (const flag of flags) parser.addOption(optionOf(flag));
  for (const positional of command.positionals) {
    const name = positional.repeatable === true ? `${positional.name}...` : positional.name;
    parser.argument(positional.required ? `<${name}>` : `[${name}]`);
  }
  try {
    parser.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usage(readable(error), `see 'lm ${command.path.join(" ")} --help'`);
  }
  return { positionals: parser.args, flags: new FlagValues(flags, valuesOf(parser, flags)) };
}

function optionOf(flag: Flag): Option {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : flag.valueOptional === true ? ` [${flag.value}]` : ` <${flag.value}>`;
  const option = new Option(`${short}--${flag.name}${value}`, flag.summary);
  if (flag.choices !== undefined) option.choices([...flag.choices]);
  // An optional value must be attached (`--wait=ready`): `lm vm create --wait web` means the microVM web. A comma never splits a value.
  if (flag.repeatable === true)
    option.argParser((text: string, previous: unknown) => [...(Array.isArray(previous) ? previous : []), text]);
  return option;
}

function valuesOf(parser: Parser, flags: readonly Flag[]): ReadonlyMap<string, RawFlagValue> {
  const values = new Map<string, RawFlagValue>();
  const parsed: Readonly<Record<string, unknown>> = parser.opts();
  for (const flag of flags) {
    const negated = flag.name.startsWith("no-");
    const key = camel(negated ? flag.name.slice(3) : flag.name);
    const value = parsed[key];
    if (negated) {
      if (value === false) values.set(flag.name, true);
    } else if (typeof value === "string" || typeof value === "boolean") values.set(flag.name, value);
    else if (Array.isArray(value)) values.set(flag.name, value.map(String));
  }
  return values;
}

/** Optional values bind only with `=`; commander would take the next word. Values that take the next word with them are joined to it by a colon. */
export function bindValues(command: Command, argv: readonly string[]): readonly string[] {
  const flags = flagsOf(command);
  const optional = new Set(flags.flatMap((flag) => (flag.valueOptional === true ? [`--${flag.name}`] : [])));
  const end = argv.indexOf("--");
  const words: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    const next = argv[index + 1];
    const ours = end < 0 || index < end;
    const joining = ours ? joiningFlag(flags, word) : undefined;
    if (joining?.inline !== undefined && next !== undefined && !next.startsWith("-")) {
      words.push(`${word}:${next}`);
      index += 1;
    } else if (joining !== undefined && next !== undefined && joining.values.includes(next)) {
      const reference = argv[index + 2];
      words.push(word, reference === undefined || reference.startsWith("-") ? next : `${next}:${reference}`);
      index += reference === undefined || reference.startsWith("-") ? 1 : 2;
    } else words.push(ours && optional.has(word) ? `${word}=true` : word);
  }
  return words;
}

/** The flag that `word` is, when it has values that join: alone (`--output`), or with such a value (`--output=registry`). */
function joiningFlag(
  flags: readonly Flag[],
  word: string,
): { readonly values: readonly string[]; readonly inline?: string } | undefined {
  const [name = "", inline] = word.split("=", 2);
  const flag = flags.find(
    (each) => name === `--${each.name}` || (each.short !== undefined && name === `-${each.short}`),
  );
  if (flag?.joins === undefined) return undefined;
  if (inline === undefined) return { values: flag.joins };
  return flag.joins.includes(inline) ? { values: flag.joins, inline } : undefined;
}

const camel = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

function readable(error: CommanderError): string {
  return error.message.replace(/^error: /, "").replace(/\n\(Did you mean (.*)\?\)$/, "; did you mean $1?");
}
