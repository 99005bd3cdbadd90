/**
 * A command as data: what completion scripts, help and docs/cli.md are generated from, and what is run.
 *
 * A command file stays light (types only at its top); what is heavy is imported inside `run`, so that `lm vm list` never loads what `lm up` needs.
 */
import type { FlagValues } from "./flag-values.ts";
import type { Session } from "./session.ts";

/** What the shell offers for a value. */
export type Completion = "file" | "vm" | "image" | "context" | "none";

export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value, for example `SIZE`; absent = a switch. */
  readonly value?: string;
  /** The value may be left out (`--wait` or `--wait=running`). */
  readonly valueOptional?: boolean;
  readonly repeatable?: boolean;
  readonly summary: string;
  /** What holds without the flag, for people. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly complete?: Completion;
}

export interface Positional {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  readonly complete?: Completion;
}

export interface Command {
  /** `["vm", "create"]` for `lm vm create`. */
  readonly path: readonly string[];
  readonly summary: string;
  /** Paragraphs for help and docs. */
  readonly description?: string;
  readonly positionals: readonly Positional[];
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
  /** Not shown in help, completion and docs. */
  readonly hidden?: boolean;
  /** What follows `--` is a command of its own (`lm vm ssh NAME -- ls -l`). */
  readonly passThrough?: boolean;
  /** Resolves with the exit code; absent = 0. Throws PlatformError for what the user can act on. */
  readonly run: (invocation: Invocation, session: Session) => Promise<number | undefined>;
}

export interface Invocation {
  readonly positionals: readonly string[];
  readonly flags: FlagValues;
}

/** Flags that every command takes. */
export const globalFlags: readonly Flag[] = [
  {
    name: "host",
    value: "ADDRESS",
    summary: "flintlockd to talk to: unix:/path, host:port, or grpcs://host:port for TLS",
    default: "LM_HOST, else the current context, else the local platform",
  },
  { name: "context", value: "NAME", summary: "named host from the configuration file", complete: "context" },
  {
    name: "platform",
    value: "NAME",
    summary: "local platform by name, where several run",
    default: "LM_PLATFORM, else default",
  },
  { name: "token-file", value: "FILE", summary: "file with the access token (or LM_TOKEN)", complete: "file" },
  {
    name: "tls-ca",
    value: "FILE",
    summary: "certificates that the host's certificate must chain to",
    complete: "file",
  },
  { name: "tls-cert", value: "FILE", summary: "client certificate", complete: "file" },
  { name: "tls-key", value: "FILE", summary: "key of the client certificate", complete: "file" },
  { name: "insecure", summary: "plain text to an address that is not this machine" },
  {
    name: "output",
    short: "o",
    value: "FORMAT",
    summary: "form of the data on standard output",
    default: "table",
    choices: ["table", "wide", "json", "yaml", "name"],
  },
  { name: "quiet", short: "q", summary: "no progress and notes on standard error" },
  { name: "no-color", summary: "no colours (as NO_COLOR in the environment)" },
];
