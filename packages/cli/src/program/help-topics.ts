/** Finds what help is wanted about. */
import { allCommands, catalogue } from "../commands/catalogue.ts";
import { nouns } from "../commands/nouns.ts";
import { usage } from "./flag-values.ts";
import { commandHelp, nounHelp, rootHelp } from "./help.ts";

/** `path`: a command, a noun, or the empty string. Throws REQUEST_INVALID when it is none of them. */
export async function helpFor(path: string): Promise<string> {
  const load = Object.hasOwn(catalogue, path) ? catalogue[path] : undefined;
  if (load !== undefined) return commandHelp((await load()).command);
  const commands = (await allCommands()).filter((command) => command.hidden !== true);
  if (path === "") return rootHelp(commands);
  if (!Object.hasOwn(nouns, path)) throw usage(`there is no command '${path}'`, "see 'lm --help'");
  return nounHelp(path, commands);
}
