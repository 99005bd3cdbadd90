/**
 * Command lines in Markdown: whether the words and flags that a page shows are those that the programs have.
 *
 * Looked at is what stands in code, in line or in blocks: `lm …`, `flintlockd run …`, `capmvm …` and `npm run …`. Words in capitals, in brackets or after `…` are
 * places for something else.
 */
import { flagNames as capmvmFlags } from "../../packages/capmvm/src/command-line/flags.ts";
import { keyNames } from "../../packages/host-agent/src/config/keys.ts";

/** A command as far as this needs it. */
export interface KnownCommand {
  /** `["vm", "create"]`. */
  readonly path: readonly string[];
  /** Long names without hyphens, global ones too. */
  readonly flags: ReadonlySet<string>;
  /** What follows `--`, or comes after the first positional, is a command of its own. */
  readonly passThrough: boolean;
}

export interface Programs {
  readonly commands: readonly KnownCommand[];
  /** `vm ls` → `vm list`. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly scripts: ReadonlySet<string>;
}

/** One line for each command that no program has: `docs/a.md:12: there is no 'lm vm frobnicate'`. */
export function unknownCommands(programs: Programs, file: string, text: string): readonly string[] {
  return codeOf(text).flatMap(({ line, code }) =>
    commandLines(code).flatMap((words) => faultOf(programs, words).map((fault) => `${file}:${line}: ${fault}`)),
  );
}

function faultOf(programs: Programs, [program = "", ...words]: readonly string[]): readonly string[] {
  switch (program.replace(/^.*\//, "")) {
    case "lm":
      return lmFault(programs, words);
    case "flintlockd":
      return words[0] === "run" ? unknownFlags("flintlockd run", words, flintlockdFlags) : [];
    case "capmvm":
      return unknownFlags("capmvm", words, capmvmFlagSet);
    default: {
      const [verb, script = ""] = words;
      const known = verb !== "run" || !/^[a-z][a-z:-]*$/.test(script) || programs.scripts.has(script);
      return known ? [] : [`there is no 'npm run ${script}'`];
    }
  }
}

const flintlockdFlags: ReadonlySet<string> = new Set([...keyNames(), "config"]);
const capmvmFlagSet: ReadonlySet<string> = new Set(capmvmFlags);

function lmFault({ commands, aliases }: Programs, words: readonly string[]): readonly string[] {
  const plain = words.filter((word) => !word.startsWith("-"));
  const [first = "", second = ""] = plain;
  if (!isWord(first) || first === "help") return [];
  const noun = aliases[first] ?? first;
  const asked = `${noun} ${second}`;
  const path = commands.some(({ path: [only, verb] }) => only === noun && verb === undefined)
    ? noun
    : (aliases[asked] ?? asked);
  const command = commands.find(({ path: own }) => own.join(" ") === path);
  if (command !== undefined) {
    const end = command.passThrough ? Math.max(0, words.indexOf("--")) || words.length : words.length;
    return unknownFlags(`lm ${path}`, words.slice(0, end), command.flags);
  }
  const isNoun = commands.some(({ path: [only] }) => only === noun);
  // The noun alone, as in "lm image --help", or with a place for the verb.
  if (isNoun && !isWord(second)) return [];
  return [`there is no 'lm ${isNoun ? `${noun} ${second}` : first}'`];
}

const isWord = (text: string): boolean => /^[a-z_][a-z-]*$/.test(text);

function unknownFlags(name: string, words: readonly string[], known: ReadonlySet<string>): readonly string[] {
  return words.flatMap((word) => {
    const flag = /^--([a-zA-Z][a-zA-Z-]*)(?:=.*)?$/.exec(word)?.[1];
    return flag === undefined || known.has(flag) || flag === "help" ? [] : [`'${name}' has no --${flag}`];
  });
}

/** Simple commands in code, each as its words. */
function commandLines(code: string): readonly (readonly string[])[] {
  const joined = code.replaceAll(/\\\n\s*/g, " ");
  return joined.split(/\n|&&|\|\||[|;]|\$\(|<\(/).flatMap((part) => {
    const words = part
      .replace(/\s#.*$/, "")
      .trim()
      .split(/\s+/)
      .map((word) => word.replaceAll(/^[('"[]+|[)'"\]]+$/g, ""));
    const start = words.findIndex((word) => !/^(\$|#|sudo|exec|[A-Z_]+=.*)$/.test(word));
    const command = words.slice(Math.max(0, start));
    return /^(\S*\/)?(lm|flintlockd|capmvm|npm)$/.test(command[0] ?? "") ? [command] : [];
  });
}

interface Code {
  readonly line: number;
  readonly code: string;
}

/** Blocks as a whole, and every piece of code in a line. */
function codeOf(text: string): readonly Code[] {
  const found: Code[] = [];
  let fence = "";
  let block: { readonly line: number; readonly lines: string[] } | undefined;
  text.split("\n").forEach((each, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(each)?.[1] ?? "";
    if (block !== undefined) {
      if (mark.startsWith(fence) && mark !== "") {
        found.push({ line: block.line, code: block.lines.join("\n") });
        block = undefined;
      } else block.lines.push(each);
    } else if (mark !== "") {
      fence = mark;
      block = { line: index + 2, lines: [] };
    } else for (const [, code = ""] of each.matchAll(/`([^`]+)`/g)) found.push({ line: index + 1, code });
  });
  return found;
}
