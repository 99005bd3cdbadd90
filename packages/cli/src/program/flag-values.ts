/** Typed access to parsed flags. Asking for a flag that the command does not declare is a defect, and throws. */
import { PlatformError } from "@liquidmetal/foundation";
import { parseDurationMs } from "./duration.ts";
import type { Flag } from "./flag.ts";

export type RawFlagValue = string | boolean | readonly string[];

export class FlagValues {
  readonly #declared: ReadonlyMap<string, Flag>;
  readonly #values: ReadonlyMap<string, RawFlagValue>;

  constructor(declared: readonly Flag[], values: ReadonlyMap<string, RawFlagValue>) {
    this.#declared = new Map(declared.map((flag) => [flag.name, flag]));
    this.#values = values;
  }

  given(name: string): boolean {
    return this.#value(name) !== undefined;
  }

  /** True when the switch was given. */
  on(name: string): boolean {
    return this.#value(name) === true;
  }

  /** The value; of a flag whose value may be left out, the empty string when it was. */
  text(name: string): string | undefined {
    const value = this.#value(name);
    if (value === undefined || value === false) return undefined;
    if (value === true) return "";
    return typeof value === "string" ? value : value.at(-1);
  }

  list(name: string): readonly string[] {
    const value = this.#value(name);
    if (value === undefined || typeof value === "boolean") return [];
    return typeof value === "string" ? [value] : value;
  }

  /** A whole number within bounds. Throws REQUEST_INVALID. */
  integer(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(number) || number < bounds.min || number > bounds.max) {
      throw usage(`--${name} must be a whole number from ${bounds.min} to ${bounds.max}, not '${text}'`);
    }
    return number;
  }

  /** A duration such as `90s`, `5m`, `1h30m`, in milliseconds. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const duration = parseDurationMs(text);
    if (duration === undefined) throw usage(`--${name} must be a duration such as 90s, 5m or 1h30m, not '${text}'`);
    return duration;
  }

  #value(name: string): RawFlagValue | undefined {
    if (!this.#declared.has(name)) throw new Error(`flag --${name} is not declared by this command`);
    return this.#values.get(name);
  }
}

/** The user's command line is wrong: exit code 2. */
export function usage(message: string, remedy = "see the same command with --help"): PlatformError {
  return new PlatformError("REQUEST_INVALID", message, { remedy });
}
