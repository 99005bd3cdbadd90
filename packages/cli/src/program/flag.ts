/** Flags and positionals as data, and the flags that every command takes. */

/** What the shell offers for a value. */
export type Completion = "file" | "vm" | "image" | "recipe" | "context" | "cluster" | "none";

export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value, for example `SIZE`; absent = a switch. */
  readonly value?: string;
  /** The value may be left out (`--wait` or `--wait=running`). */
  readonly valueOptional?: boolean;
  readonly repeatable?: boolean;
  /** Values that take the next word with them: `--output registry REF` means `--output registry:REF`. */
  readonly joins?: readonly string[];
  /** Takes the place of a flag that every command has; what it means there it has to mean here too. */
  readonly replacesGlobal?: boolean;
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

/** All flags of a command: its own, and the global ones that it does not replace. */
export function flagsOf(command: { readonly flags: readonly Flag[] }): readonly Flag[] {
  const replaced = new Set(command.flags.flatMap((flag) => (flag.replacesGlobal === true ? [flag.name] : [])));
  return [...command.flags, ...globalFlags.filter((flag) => !replaced.has(flag.name))];
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
