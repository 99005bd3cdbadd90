/** One run of `lm`: from the command line to the exit code. Never throws; what went wrong is told on standard error. */
import { PlatformError } from "@liquidmetal/foundation";
import { catalogue } from "../commands/catalogue.ts";
import { isOutputFormat, type OutputFormat } from "../output/format.ts";
import { usage } from "./flag-values.ts";
import { resolveCommand } from "./resolve.ts";
import { colourAllowed, painter, type Terminal } from "./terminal.ts";

export interface RunOptions {
  readonly argv: readonly string[];
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, with an error whose exit code is 130, or by SIGTERM (143). */
  readonly signal: AbortSignal;
}

/** Why a run was ended from outside. */
export class Interrupted extends Error {
  override readonly name = "AbortError";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

export async function run(options: RunOptions): Promise<number> {
  const { argv, terminal, signal } = options;
  try {
    const resolved = resolveCommand(argv);
    const end = argv.indexOf("--");
    const asksHelp = argv.slice(0, end < 0 ? argv.length : end).some((word) => word === "--help" || word === "-h");
    if (resolved.help && argv.includes("--version")) return await execute("version", ["--client"], options);
    if (resolved.help || asksHelp) {
      const { helpFor } = await import("./help-topics.ts");
      const text = await helpFor(resolved.path);
      const bare = argv.length === 0 || (resolved.help && !asksHelp && argv[0] !== "help");
      (bare ? terminal.stderr : terminal.stdout).write(text);
      return bare ? 2 : 0;
    }
    return await execute(resolved.path, resolved.rest, options);
  } catch (error) {
    return report(error, terminal, signal, argv);
  }
}

async function execute(path: string, argv: readonly string[], options: RunOptions): Promise<number> {
  const load = catalogue[path];
  if (load === undefined) throw usage(`there is no command '${path}'`);
  const [{ command }, { bindValues, parseCommandLine }, { Session }] = await Promise.all([
    load(),
    import("./parse.ts"),
    import("./session.ts"),
  ]);
  const invocation = parseCommandLine(command, bindValues(command, argv));
  const format: OutputFormat = outputFormat(
    // `lm image build` says with --output also where the image goes; everywhere else nothing but a format gets through the parser.
    invocation.flags.list("output").findLast(isOutputFormat) ?? options.terminal.env["LM_OUTPUT"] ?? "table",
  );
  await using session = new Session({
    terminal: options.terminal,
    flags: invocation.flags,
    format,
    signal: options.signal,
    open: async (mine) => (await import("../client/open.ts")).openHost(mine),
  });
  return (await command.run(invocation, session)) ?? 0;
}

function outputFormat(text: string): OutputFormat {
  if (isOutputFormat(text)) return text;
  throw usage(`'${text}' is no output format`, "use table, wide, json, yaml or name");
}

async function report(
  error: unknown,
  terminal: Terminal,
  signal: AbortSignal,
  argv: readonly string[],
): Promise<number> {
  if (signal.aborted) {
    const code = signal.reason instanceof Interrupted ? signal.reason.exitCode : 130;
    terminal.stderr.write("interrupted\n");
    return code;
  }
  const paint = painter(colourAllowed(terminal.stderr, terminal.env, argv.includes("--no-color")));
  if (!(error instanceof PlatformError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    terminal.stderr.write(
      `${paint("red", "error:")} this should not happen\n${paint("dim", "cause:")} ${text}\nhint:  report it with this text\n`,
    );
    return 1;
  }
  const lines = [`${paint("red", "error:")} ${error.message}`];
  const cause = causeText(error);
  if (cause !== undefined) lines.push(`${paint("dim", "cause:")} ${cause}`);
  if (error.remedy !== "") lines.push(`${paint("cyan", "hint:")}  ${error.remedy}`);
  terminal.stderr.write(`${lines.join("\n")}\n`);
  if (error.code === "CANCELLED") return 130;
  const { exitCodeOf } = await import("@liquidmetal/api");
  return exitCodeOf(error.code);
}

function causeText(error: PlatformError): string | undefined {
  const { cause } = error;
  const text = cause instanceof Error ? cause.message : undefined;
  return text === undefined || text === "" || error.message.includes(text) ? undefined : text;
}
