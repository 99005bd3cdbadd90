/**
 * Whether the configured kernel is the demanded one. `make allnoconfig` silently drops what its dependencies do not allow, and a kernel without, say,
 * virtio-blk compiles as well as any other: it is found out here, before an hour of compiling and a guest that does not boot.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { Demand } from "./config-fragment.ts";
import { type KconfigEntry, unmetDependencies } from "./kconfig.ts";

export interface ConfigProblem {
  readonly option: string;
  readonly wanted: string;
  readonly got: string;
  /** Fragment and line; of a modular option that nobody asked for, absent. */
  readonly origin?: string;
  /** Conditions of the option that are not met, as Kconfig has them. */
  readonly missing: readonly string[];
}

/** Everything that is not as demanded, and everything that would be a module. Entries of Kconfig are only read when there is a problem. */
export async function configProblems(
  demands: readonly Demand[],
  configuration: ReadonlyMap<string, string>,
  kconfig: () => Promise<ReadonlyMap<string, readonly KconfigEntry[]>>,
): Promise<readonly ConfigProblem[]> {
  const unmet = demands.filter(({ option, value }) => (configuration.get(option) ?? "n") !== value);
  const demanded = new Set(unmet.map(({ option }) => option));
  const modular = [...configuration].filter(([option, value]) => value === "m" && !demanded.has(option));
  if (unmet.length + modular.length === 0) return [];
  const entries = await kconfig();
  return [
    ...unmet.map(({ option, value: wanted, origin }) => ({
      option,
      wanted,
      got: configuration.get(option) ?? "n",
      origin,
      missing: wanted === "n" ? [] : unmetDependencies(entries.get(option), configuration),
    })),
    ...modular.map(([option]) => ({ option, wanted: "y or n", got: "m", missing: [] })),
  ];
}

/** One error that names them all (the first 20). */
export function configError(problems: readonly ConfigProblem[]): PlatformError {
  const lines = problems.slice(0, 20).map(describe);
  if (problems.length > lines.length) lines.push(`and ${problems.length - lines.length} more`);
  return new PlatformError("RECIPE_INVALID", `the configured kernel is not the demanded one: ${lines.join("; ")}`, {
    remedy: "add to a fragment what an option needs, or take the option out; nothing may be modular",
    details: { problems: problems.length },
  });
}

function describe({ option, wanted, got, origin, missing }: ConfigProblem): string {
  const where = origin === undefined ? "" : ` (${origin})`;
  const why = missing.length === 0 ? "" : `, which needs ${missing.join(" and ")}`;
  return `CONFIG_${option}: wanted ${wanted}${where}, got ${got}${why}`;
}
