/**
 * The command line of flintlockd: `run`, `version`, `config show`, with upstream's flags. Nothing is printed or exited from here: what is to be
 * said comes back as a value.
 */

import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import { Command, CommanderError, Option } from "commander";
import type { KeyName } from "./key-values.ts";
import { configKeys, isKeyName, keyNames } from "./keys.ts";

export type FlagValues = ReadonlyMap<KeyName, unknown>;

export type CommandLine =
  | { readonly command: "run"; readonly flags: FlagValues; readonly configPath?: string }
  | {
      readonly command: "config-show";
      readonly flags: FlagValues;
      readonly configPath?: string;
      readonly origin: boolean;
    }
  | { readonly command: "version"; readonly form: "plain" | "short" | "long" }
  | { readonly command: "help"; readonly text: string };

/** Flags that upstream puts before the command; they are taken in both places. */
const globalKeys: ReadonlySet<KeyName> = new Set(["verbosity", "log-format", "log-output"]);

/** `argv` without the interpreter and script. CONFIG_INVALID for what is not understood, with a suggestion where there is one. */
export function parseCommandLine(argv: readonly string[]): Result<CommandLine, PlatformError> {
  let said = "";
  let chosen: CommandLine | undefined;
  const program = new Command("flintlockd")
    .description("The Liquid Metal host agent: creates and keeps microVMs on this host.")
    .enablePositionalOptions()
    .helpCommand(true);
  addFlags(program, globalKeys);
  const run = addFlags(program.command("run").description("run the host agent"));
  run.action(() => {
    chosen = { command: "run", ...flagsOf(program, run) };
  });
  const config = program.command("config").description("look at the configuration");
  const show = addFlags(config.command("show").description("print the configuration that 'run' would use"));
  show.option("--origin", "say where each value comes from");
  show.action((options: { origin?: boolean }) => {
    chosen = { command: "config-show", origin: options.origin === true, ...flagsOf(program, show) };
  });
  const version = program.command("version").description("print the version").option("--short").option("--long");
  version.action((options: { short?: boolean; long?: boolean }) => {
    chosen = { command: "version", form: options.long ? "long" : options.short ? "short" : "plain" };
  });
  silence(program, (text) => {
    said += text;
  });
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || argv.length === 0) return ok({ command: "help", text: said });
    const text = error.message.replace(/^error: /, "");
    return err(new PlatformError("CONFIG_INVALID", text, { cause: error, remedy: "see 'flintlockd --help'" }));
  }
  return ok(chosen ?? { command: "help", text: program.helpInformation() });
}

function addFlags(command: Command, only?: ReadonlySet<KeyName>): Command {
  for (const name of keyNames()) {
    if (only !== undefined && !only.has(name)) continue;
    const { help, isSwitch, hidden, short, fallback } = configKeys[name];
    const long = isSwitch ? `--${name} [bool]` : `--${name} <value>`;
    const shown = fallback === "" ? help : `${help} (default: ${fallback})`;
    const flag = new Option(short === undefined ? long : `-${short}, ${long}`, shown).hideHelp(hidden === true);
    // Repeated flags add up; a single value wins as the last one given.
    flag.argParser((value: string, previous: unknown) => (Array.isArray(previous) ? [...previous, value] : [value]));
    command.addOption(flag);
  }
  if (only === undefined) command.option("--config <path>", "configuration file (default: the usual places)");
  return command;
}

function flagsOf(program: Command, command: Command): { flags: FlagValues; configPath?: string } {
  const flags = new Map<KeyName, unknown>();
  let configPath: string | undefined;
  for (const source of [program, command]) {
    for (const option of source.options) {
      const value: unknown = source.getOptionValue(option.attributeName());
      const name = option.name();
      if (value === undefined) continue;
      if (name === "config" && typeof value === "string") configPath = value;
      else if (isKeyName(name)) flags.set(name, collected(name, value));
    }
  }
  return configPath === undefined ? { flags } : { flags, configPath };
}

/** A switch without a value is true. Lists keep every value, everything else the last one. */
function collected(name: KeyName, value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const takesSeveral = ["grpc-endpoint", "listen-unix", "virtiofs-root", "network-shared", "host-labels"].includes(
    name,
  );
  return takesSeveral ? value : value.at(-1);
}

function silence(command: Command, say: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeOut: say, writeErr: say });
  for (const child of command.commands) silence(child, say);
}
