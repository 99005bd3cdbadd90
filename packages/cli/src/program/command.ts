/**
 * A command as data: what completion scripts, help and docs/cli.md are generated from, and what is run.
 *
 * A command file stays light (types only at its top); what is heavy is imported inside `run`, so that `lm vm list` never loads what `lm up` needs.
 */
import type { Flag, Positional } from "./flag.ts";
import type { FlagValues } from "./flag-values.ts";
import type { Session } from "./session.ts";

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
