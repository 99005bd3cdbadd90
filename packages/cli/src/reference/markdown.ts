/** docs/cli.md, from the declarations of the commands. */
import { nouns } from "../commands/nouns.ts";
import type { Command } from "../program/command.ts";
import { type Flag, globalFlags } from "../program/flag.ts";
import { flagForm, flagText, usageLine } from "../program/help.ts";

export function referencePage(commands: readonly Command[]): string {
  const shown = commands.filter((command) => command.hidden !== true);
  const single = shown.filter((command) => command.path.length === 1).map(section);
  const grouped = Object.entries(nouns).map(([noun, title]) => {
    const verbs = shown.filter((command) => command.path[0] === noun && command.path.length > 1);
    return `## ${title}\n\n${verbs.map(section).join("\n")}`;
  });
  return `# lm, the command line

Generated from the commands themselves (\`lm _reference\`); do not edit. The objects of \`-o json\` are described in [cli-output.md](cli-output.md).

Data goes to standard output, progress and errors to standard error. Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 timeout,
6 unauthorised, 130 interrupted.

## Flags of every command

${flagTable(globalFlags)}
## This machine

${single.join("\n")}
${grouped.join("\n")}`;
}

function section(command: Command): string {
  const parts = [`### lm ${command.path.join(" ")}`, `${command.summary}.`];
  if (command.description !== undefined) parts.push(command.description);
  parts.push(`\`\`\`\n${usageLine(command)}\n\`\`\``);
  if (command.positionals.length > 0) {
    parts.push(command.positionals.map((each) => `- \`${each.name}\`: ${each.summary}`).join("\n"));
  }
  if (command.flags.length > 0) parts.push(flagTable(command.flags).trimEnd());
  if (command.examples.length > 0) parts.push(`\`\`\`sh\n${command.examples.join("\n")}\n\`\`\``);
  return `${parts.join("\n\n")}\n`;
}

/** Padded as the formatter of the repository wants it. */
function flagTable(flags: readonly Flag[]): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const rows = [
    ["flag", "meaning"],
    ...flags.map((flag) => [cell(`\`${flagForm(flag).trim()}\``), cell(flagText(flag))]),
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => [...(row[column] ?? "")].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => padded(text, widths[column] ?? 0)).join(" | ")} |\n`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("");
}

const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - [...text].length));
