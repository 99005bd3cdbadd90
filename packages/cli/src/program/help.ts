/** Help texts, from the declarations. */
import { nouns } from "../commands/nouns.ts";
import { renderTable } from "../output/table.ts";
import type { Command } from "./command.ts";
import { type Flag, flagsOf, globalFlags } from "./flag.ts";

export function commandHelp(command: Command): string {
  const sections = [command.summary, `Usage:\n  ${usageLine(command)}`];
  if (command.description !== undefined) sections.splice(1, 0, wrap(command.description));
  if (command.positionals.length > 0) {
    sections.push(`Arguments:\n${rows(command.positionals.map((each) => [each.name, each.summary]))}`);
  }
  if (command.flags.length > 0) sections.push(`Flags:\n${rows(command.flags.map(flagRow))}`);
  const shared = flagsOf(command).filter((flag) => globalFlags.includes(flag));
  sections.push(`Flags of every command:\n${rows(shared.map(flagRow))}`);
  if (command.examples.length > 0)
    sections.push(`Examples:\n${command.examples.map((line) => `  ${line}\n`).join("")}`);
  return `${sections.map((section) => section.trimEnd()).join("\n\n")}\n`;
}

export function usageLine(command: Command): string {
  const positionals = command.positionals.map((each) => {
    const name = each.repeatable === true ? `${each.name}...` : each.name;
    return each.required ? name : `[${name}]`;
  });
  return ["lm", ...command.path, ...positionals, command.passThrough === true ? "[-- COMMAND...]" : "", "[flags]"]
    .filter((word) => word !== "")
    .join(" ");
}

export function flagForm(flag: Flag): string {
  const value = flag.value === undefined ? "" : flag.valueOptional === true ? `[=${flag.value}]` : ` ${flag.value}`;
  return `${flag.short === undefined ? "    " : `-${flag.short}, `}--${flag.name}${value}`;
}

export function flagText(flag: Flag): string {
  const choices = flag.choices === undefined ? "" : ` (${flag.choices.join(", ")})`;
  const repeat = flag.repeatable === true ? "; repeatable" : "";
  return `${flag.summary}${choices}${repeat}${flag.default === undefined ? "" : ` [default: ${flag.default}]`}`;
}

const flagRow = (flag: Flag): readonly [string, string] => [flagForm(flag), flagText(flag)];

export function rootHelp(commands: readonly Command[]): string {
  const single = commands.filter((command) => command.path.length === 1);
  const groups = Object.entries(nouns).map(([noun, title]) => {
    const verbs = commands.filter((command) => command.path[0] === noun);
    return `${title}:\n${rows(verbs.map((command) => [`lm ${command.path.join(" ")}`, command.summary]))}`;
  });
  const own = `This machine:\n${rows(single.map((command) => [`lm ${command.path.join(" ")}`, command.summary]))}`;
  return `lm: microVMs on this machine and on others\n\n${[own, ...groups].join("\n")}\nFlags of every command:\n${rows(globalFlags.map(flagRow))}
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 timeout, 6 unauthorised, 130 interrupted.
More about a command: lm COMMAND --help\n`;
}

export function nounHelp(noun: string, commands: readonly Command[]): string {
  const verbs = commands.filter((command) => command.path[0] === noun);
  return `${nouns[noun] ?? noun}\n\n${rows(verbs.map((command) => [usageLine(command), command.summary]))}\nMore about a command: lm ${noun} VERB --help\n`;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  return renderTable(
    pairs,
    [
      { header: "", value: ([left]) => `  ${left}` },
      { header: "", value: ([, right]) => right },
    ],
    { header: false },
  );
}

function wrap(text: string, width = 100): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
