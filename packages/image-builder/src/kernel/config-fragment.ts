/**
 * Fragments of a kernel configuration, in the kernel's own syntax: `CONFIG_X=y`, `CONFIG_X="text"`, `CONFIG_X=42`, `# CONFIG_X is not set`.
 *
 * A fragment is a list of demands, not of wishes: what it says has to be in the configured kernel (config-check.ts). Of two fragments that name the same
 * option the later one counts, so that a recipe can add its own at the end.
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface Demand {
  /** Without `CONFIG_`. */
  readonly option: string;
  /** As the kernel writes it: `y`, `n`, a number, or a text with its quotes. */
  readonly value: string;
  /** `fragments/network.config:12`. */
  readonly origin: string;
}

const setLine = /^CONFIG_([A-Za-z0-9_]+)=(.+)$/;
const unsetLine = /^# CONFIG_([A-Za-z0-9_]+) is not set$/;
const value = /^(y|n|-?\d+|0x[0-9a-fA-F]+|"(?:[^"\\]|\\.)*")$/;

/** The demands of one fragment. Errors: RECIPE_INVALID with file and line for what is no configuration, and for `=m`. */
export function parseFragment(name: string, text: string): readonly Demand[] {
  return text.split("\n").flatMap((raw, index) => {
    const line = raw.trimEnd();
    const origin = `${name}:${index + 1}`;
    const [, unset] = unsetLine.exec(line) ?? [];
    if (unset !== undefined) return [{ option: unset, value: "n", origin }];
    if (line === "" || line.startsWith("#")) return [];
    const [, option, wanted = ""] = setLine.exec(line) ?? [];
    if (wanted === "m") throw bad(origin, `${line} asks for a module: everything is built in, write =y`);
    if (option === undefined || !value.test(wanted))
      throw bad(origin, `${JSON.stringify(line)} is no line of a kernel configuration`);
    return [{ option, value: wanted, origin }];
  });
}

/** All fragments together, sorted by option; the last demand of an option counts. */
export function mergeDemands(fragments: readonly (readonly Demand[])[]): readonly Demand[] {
  const merged = new Map(fragments.flat().map((demand) => [demand.option, demand]));
  return [...merged.values()].sort((a, b) => (a.option < b.option ? -1 : 1));
}

/** As the file that `make KCONFIG_ALLCONFIG=… allnoconfig` reads. */
export const demandsText = (demands: readonly Demand[]): string =>
  demands
    .map(({ option, value: wanted }) =>
      wanted === "n" ? `# CONFIG_${option} is not set\n` : `CONFIG_${option}=${wanted}\n`,
    )
    .join("");

/** Values by option of a whole `.config`; options that are not set are not in it. */
export function parseConfiguration(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const [, option, set] = setLine.exec(line) ?? [];
      return option === undefined || set === undefined ? [] : [[option, set] as const];
    }),
  );
}

const bad = (origin: string, why: string): PlatformError => new PlatformError("RECIPE_INVALID", `${origin}: ${why}`);
