/** Which command is meant: the first words of the command line that are not flags. */
import { aliases, catalogue } from "../commands/catalogue.ts";
import { nouns } from "../commands/nouns.ts";
import { globalFlags } from "./flag.ts";
import { usage } from "./flag-values.ts";
import { suggestion } from "./suggestion.ts";

export interface Resolved {
  /** Key in the catalogue; a noun or the empty string where help is wanted. */
  readonly path: string;
  /** The command line without the words of the path. */
  readonly rest: readonly string[];
  readonly help: boolean;
}

const valueFlags: ReadonlySet<string> = new Set(
  globalFlags.flatMap((flag) =>
    flag.value === undefined ? [] : [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])],
  ),
);

/** Throws REQUEST_INVALID for a command that does not exist. */
export function resolveCommand(argv: readonly string[]): Resolved {
  const words: { readonly text: string; readonly index: number }[] = [];
  for (let index = 0; index < argv.length && words.length < 2; index += 1) {
    const text = argv[index] ?? "";
    if (text === "--") break;
    if (text.startsWith("-") && text !== "-") {
      if (valueFlags.has(text)) index += 1;
      continue;
    }
    words.push({ text, index });
    const known = aliases[text] ?? text;
    if (Object.hasOwn(catalogue, known)) break;
  }
  const [noun, verb] = words;
  if (noun === undefined) return { path: "", rest: argv, help: true };
  if (noun.text === "help")
    return {
      path: argv
        .slice(noun.index + 1)
        .filter((word) => !word.startsWith("-"))
        .join(" "),
      rest: [],
      help: true,
    };
  const nounText = aliases[noun.text] ?? noun.text;
  const without = (...indices: number[]): readonly string[] => argv.filter((_, index) => !indices.includes(index));
  if (Object.hasOwn(catalogue, nounText)) return { path: nounText, rest: without(noun.index), help: false };
  if (!Object.hasOwn(nouns, nounText))
    throw unknown(noun.text, [...Object.keys(nouns), ...visible(Object.keys(catalogue))], "");
  if (verb === undefined) return { path: nounText, rest: without(noun.index), help: true };
  const asked = `${nounText} ${verb.text}`;
  const path = aliases[asked] ?? asked;
  if (Object.hasOwn(catalogue, path)) return { path, rest: without(noun.index, verb.index), help: false };
  const verbs = Object.keys(catalogue).flatMap((key) =>
    key.startsWith(`${nounText} `) ? [key.slice(nounText.length + 1)] : [],
  );
  throw unknown(verb.text, verbs, `${nounText} `);
}

function visible(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => !key.startsWith("_") && !key.includes(" "));
}

function unknown(word: string, known: readonly string[], prefix: string): Error {
  const near = suggestion(word, known);
  return usage(
    `there is no command '${prefix}${word}'`,
    near === undefined ? `see 'lm ${prefix}--help'` : `did you mean 'lm ${prefix}${near}'?`,
  );
}
