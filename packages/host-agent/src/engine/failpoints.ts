/**
 * Failpoints: places where a test may make the agent die.
 *
 * Names are `<step>:<point>` with the points `before-act` (begun and committed), `after-act` (done, not committed), `after-commit`; besides
 * `accept:before-commit`, `accept:after-commit` and `start-vmm:spawned` (the process is there, its identity not yet committed).
 * In production every point is a no-op, unless LIQUIDMETAL_FAILPOINT names one: then the process kills itself there, as a power cut would.
 */
export interface Failpoints {
  reach(name: string): Promise<void>;
}

export const noFailpoints: Failpoints = { reach: async () => undefined };

/** Failpoints of a real process, from its environment: `LIQUIDMETAL_FAILPOINT=start-vmm:after-act`. */
export function failpointsFromEnvironment(environment: Readonly<Record<string, string | undefined>>): Failpoints {
  const name = environment["LIQUIDMETAL_FAILPOINT"];
  if (name === undefined || name === "") return noFailpoints;
  return {
    reach: async (reached) => {
      if (reached === name) process.kill(process.pid, "SIGKILL");
    },
  };
}
