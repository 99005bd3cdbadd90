/** One run of the command line: its streams, the wanted output, the signal that ends it, and the (lazily made) connection to the host. */
import { type Clock, systemClock } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import type { ManagementCluster } from "../cluster/management-cluster.ts";
import type { OutputFormat } from "../output/format.ts";
import { StageRenderer } from "../progress/stages.ts";
import type { FlagValues } from "./flag-values.ts";
import { colourAllowed, type Paint, painter, type Terminal } from "./terminal.ts";

export interface SessionOptions {
  readonly terminal: Terminal;
  readonly flags: FlagValues;
  readonly format: OutputFormat;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Opens the host that this session means; called at the first need. */
  readonly open: (session: Session) => Promise<HostClient>;
  /** Opens the management cluster instead of what flags, environment and local platform say. */
  readonly openManagement?: (session: Session) => Promise<ManagementCluster>;
}

export class Session implements AsyncDisposable {
  readonly terminal: Terminal;
  readonly flags: FlagValues;
  readonly format: OutputFormat;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly quiet: boolean;
  /** Colours for standard output. */
  readonly paint: Paint;
  /** Colours for standard error. */
  readonly paintNote: Paint;
  readonly openManagement: SessionOptions["openManagement"];
  readonly #open: SessionOptions["open"];
  #client: Promise<HostClient> | undefined;

  constructor(options: SessionOptions) {
    const { terminal, flags } = options;
    this.terminal = terminal;
    this.#open = options.open;
    this.openManagement = options.openManagement;
    this.flags = flags;
    this.format = options.format;
    this.signal = options.signal;
    this.clock = options.clock ?? systemClock;
    this.quiet = flags.on("quiet");
    this.paint = painter(colourAllowed(terminal.stdout, terminal.env, flags.on("no-color")));
    this.paintNote = painter(colourAllowed(terminal.stderr, terminal.env, flags.on("no-color")));
  }

  /** Data, on standard output. */
  print(text: string): void {
    this.terminal.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  }

  /** A remark for people, on standard error; silent with --quiet. */
  note(text: string): void {
    if (!this.quiet) this.terminal.stderr.write(`${text}\n`);
  }

  /** Something that deserves attention; on standard error even with --quiet. */
  warn(text: string): void {
    this.terminal.stderr.write(`${this.paintNote("yellow", "warning:")} ${text}\n`);
  }

  stages(): StageRenderer {
    return new StageRenderer({
      stream: this.terminal.stderr,
      paint: this.paintNote,
      clock: this.clock,
      live: this.terminal.stderr.isTTY === true && this.terminal.env["TERM"] !== "dumb",
      quiet: this.quiet,
    });
  }

  /** The host; connected on first use, closed with the session. */
  host(): Promise<HostClient> {
    this.#client ??= this.#open(this);
    return this.#client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    client?.close();
  }
}
