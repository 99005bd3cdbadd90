/** The command line of one command, parsed by commander from the command's own declaration. */
import { CommanderError, Option, Command as Parser } from "commander";
import type { Command, Invocation } from "./command.ts";
import { type Flag, globalFlags } from "./flag.ts";
import { FlagValues, type RawFlagValue, usage } from "./flag-values.ts";

/** A switch that is given twice, or a single value given twice, is taken as last said; unknown flags are errors with a suggestion. Throws REQUEST_INVALID. */
export function parseCommandLine(command: Command, argv: readonly string[]): Invocation {
  const flags = [...command.flags, ...globalFlags];
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

/** Optional values bind only with `=`; commander would take the next word. */
export function bindOptionalValues(command: Command, argv: readonly string[]): readonly string[] {
  const optional = new Set(
    [...command.flags, ...globalFlags].flatMap((flag) => (flag.valueOptional === true ? [`--${flag.name}`] : [])),
  );
  const end = argv.indexOf("--");
  return argv.map((word, index) => (optional.has(word) && (end < 0 || index < end) ? `${word}=true` : word));
}

const camel = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

function readable(error: CommanderError): string {
  return error.message.replace(/^error: /, "").replace(/\n\(Did you mean (.*)\?\)$/, "; did you mean $1?");
}
