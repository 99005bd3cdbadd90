/** The command line of capmvm, read into settings. Nothing is printed or ended from here: what is to be said comes back as a value. */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import { Command, CommanderError, Option } from "commander";
import { environmentName, type Flag, type FlagName, flagNames, flags } from "./flags.ts";
import type { Settings } from "./settings.ts";
import { settingsOf } from "./settings-of-flags.ts";

export type CommandLine =
  | {
      readonly command: "run";
      readonly settings: Settings;
      /** Flags that were given and have no effect. */
      readonly ignored: readonly string[];
    }
  | { readonly command: "version" }
  | { readonly command: "help"; readonly text: string };

/** `argv` without the interpreter and script. CONFIG_INVALID for what is not understood, with a suggestion where there is one. */
export function parseCommandLine(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Result<CommandLine, PlatformError> {
  let said = "";
  const program = new Command("capmvm")
    .description("The Cluster API infrastructure provider for microVMs: runs Machines on hosts of flintlockd.")
    .exitOverride()
    .configureOutput({ writeOut: (text) => (said += text), writeErr: (text) => (said += text) })
    .allowExcessArguments(false);
  for (const name of flagNames) program.addOption(optionOf(name, flags[name]));
  program.option("--version", "print the version");
  try {
    // `-v=4` is how Go writes it; commander would take the value for `=4`.
    program.parse(
      argv.map((word) => word.replace(/^-v=/, "-v")),
      { from: "user" },
    );
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return ok({ command: "help", text: said });
    return err(usage(error.message.replace(/^error: /, "")));
  }
  if (program.getOptionValue("version") === true) return ok({ command: "version" });
  const given = new Map<FlagName, string>();
  for (const name of flagNames) {
    const value: unknown = program.getOptionValue(optionOf(name, flags[name]).attributeName());
    if (typeof value === "string") given.set(name, value);
    else if (value === true) given.set(name, "true");
    else {
      const text = environment[environmentName(name)];
      if (text !== undefined) given.set(name, text);
    }
  }
  const settings = settingsOf((name) => given.get(name) ?? flags[name].fallback, environment);
  if (!settings.ok) return settings;
  const ignored = [...given.keys()].filter((name) => flags[name].ignored === true);
  return ok({ command: "run", settings: settings.value, ignored });
}

function optionOf(name: FlagName, { kind, help, fallback, short, ignored }: Flag): Option {
  const form = kind === "switch" ? "[bool]" : "<value>";
  const long = short === undefined ? `--${name} ${form}` : `-${short}, --${name} ${form}`;
  return new Option(long, fallback === "" ? help : `${help} (default: ${fallback})`).hideHelp(ignored === true);
}

function usage(text: string): PlatformError {
  return new PlatformError("CONFIG_INVALID", text, { remedy: "see 'capmvm --help'" });
}
