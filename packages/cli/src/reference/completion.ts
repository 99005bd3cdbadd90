/** Completion scripts for bash, zsh and fish, from the declarations of the commands. */
import type { Command } from "../program/command.ts";
import { type Completion, type Flag, globalFlags } from "../program/flag.ts";
import { usage } from "../program/flag-values.ts";

/** Throws REQUEST_INVALID for another shell. */
export function completionScript(shell: string, commands: readonly Command[]): string {
  const shown = commands.filter((command) => command.hidden !== true);
  switch (shell) {
    case "bash":
      return bash(shown);
    case "zsh":
      return `#compdef lm\nautoload -U +X bashcompinit && bashcompinit\n${bash(shown)}`;
    case "fish":
      return fish(shown);
    default:
      throw usage(`there is no completion for '${shell}'`, "use bash, zsh or fish");
  }
}

function bash(commands: readonly Command[]): string {
  const words = [...new Set(commands.map((command) => command.path[0] ?? ""))];
  const nouns = words.filter((word) => commands.some((command) => command.path[0] === word && command.path.length > 1));
  const verbCases = nouns.map((noun) => {
    const verbs = commands.flatMap((command) => (command.path[0] === noun ? [command.path[1] ?? ""] : []));
    return `    ${noun}) [ -z "$verb" ] && { COMPREPLY=($(compgen -W "${verbs.join(" ")}" -- "$current")); return; } ;;`;
  });
  const flagCases = commands.map(
    (command) =>
      `    "${command.path.join(" ")}") flags="${flagWords(command.flags)}"; values="${positionalKind(command)}" ;;`,
  );
  return `# Completion of lm for bash; made by 'lm completion bash'.
_lm() {
  local current previous noun verb flags values word index
  current=\${COMP_WORDS[COMP_CWORD]}
  previous=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    case $word in -*) continue ;; esac
    if [ -z "$noun" ]; then noun=$word; elif [ -z "$verb" ]; then verb=$word; fi
  done
  case $previous in
${valueCases(commands)}
  esac
  [ -z "$noun" ] && { COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current")); return; }
  case $noun in
${verbCases.join("\n")}
    *) verb= ;;
  esac
  case "$noun\${verb:+ $verb}" in
${flagCases.join("\n")}
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$flags ${flagWords(globalFlags)} --help" -- "$current")) ;;
    *)
      case $values in
        "") ;;
        file) COMPREPLY=($(compgen -f -- "$current")) ;;
        =*) COMPREPLY=($(compgen -W "\${values#=}" -- "$current")) ;;
        *) COMPREPLY=($(compgen -W "$(lm _complete "$values" 2>/dev/null)" -- "$current")) ;;
      esac ;;
  esac
}
complete -o default -F _lm lm
`;
}

function valueCases(commands: readonly Command[]): string {
  const byName = new Map<string, Flag>();
  for (const flag of [...globalFlags, ...commands.flatMap((command) => command.flags)]) {
    if (flag.value !== undefined && flag.valueOptional !== true && !byName.has(flag.name)) byName.set(flag.name, flag);
  }
  return [...byName.values()]
    .map((flag) => {
      const names = flag.short === undefined ? `--${flag.name}` : `--${flag.name}`;
      return `    ${names}) ${valueReply(flag)} return ;;`;
    })
    .join("\n");
}

function valueReply(flag: Flag): string {
  if (flag.choices !== undefined) return `COMPREPLY=($(compgen -W "${flag.choices.join(" ")}" -- "$current"));`;
  if (flag.complete === "file") return `COMPREPLY=($(compgen -f -- "$current"));`;
  if (flag.complete === undefined || flag.complete === "none") return "";
  return `COMPREPLY=($(compgen -W "$(lm _complete ${flag.complete} 2>/dev/null)" -- "$current"));`;
}

function fish(commands: readonly Command[]): string {
  const lines = ["# Completion of lm for fish; made by 'lm completion fish'.", "complete -c lm -f"];
  const first = [...new Set(commands.map((command) => command.path[0] ?? ""))];
  for (const word of first) {
    const alone = commands.find((command) => command.path.length === 1 && command.path[0] === word);
    lines.push(
      `complete -c lm -n "not __fish_seen_subcommand_from ${first.join(" ")}" -a ${word}${fishText(alone?.summary)}`,
    );
  }
  for (const command of commands) {
    const [noun = "", verb] = command.path;
    const siblings = commands.flatMap((each) =>
      each.path[0] === noun && each.path[1] !== undefined ? [each.path[1]] : [],
    );
    const seen = `__fish_seen_subcommand_from ${noun}`;
    if (verb !== undefined) {
      lines.push(
        `complete -c lm -n "${seen}; and not __fish_seen_subcommand_from ${siblings.join(" ")}" -a ${verb}${fishText(command.summary)}`,
      );
    }
    const here = verb === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${verb}`;
    const kind = positionalKind(command);
    if (kind === "file") lines.push(`complete -c lm -n "${here}" -F`);
    else if (kind.startsWith("=")) lines.push(`complete -c lm -n "${here}" -a "${kind.slice(1)}"`);
    else if (kind !== "") lines.push(`complete -c lm -n "${here}" -a "(lm _complete ${kind} 2>/dev/null)"`);
    for (const flag of command.flags) lines.push(fishFlag(flag, here));
  }
  for (const flag of globalFlags) lines.push(fishFlag(flag, undefined));
  return `${lines.join("\n")}\n`;
}

function fishFlag(flag: Flag, condition: string | undefined): string {
  const parts = ["complete -c lm", condition === undefined ? "" : `-n "${condition}"`, `-l ${flag.name}`];
  if (flag.short !== undefined) parts.push(`-s ${flag.short}`);
  if (flag.value !== undefined && flag.valueOptional !== true) parts.push(flag.complete === "file" ? "-r -F" : "-x");
  if (flag.choices !== undefined) parts.push(`-a "${flag.choices.join(" ")}"`);
  else if (isDynamic(flag.complete)) parts.push(`-a "(lm _complete ${flag.complete} 2>/dev/null)"`);
  return `${parts.filter((part) => part !== "").join(" ")}${fishText(flag.summary)}`;
}

const isDynamic = (kind: Completion | undefined): boolean => kind !== undefined && kind !== "file" && kind !== "none";

const fishText = (text: string | undefined): string =>
  text === undefined ? "" : ` -d '${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

const flagWords = (flags: readonly Flag[]): string => flags.map((flag) => `--${flag.name}`).join(" ");

function positionalKind(command: Command): string {
  const [positional] = command.positionals;
  if (positional?.choices !== undefined) return `=${positional.choices.join(" ")}`;
  return positional?.complete === undefined || positional.complete === "none" ? "" : positional.complete;
}
