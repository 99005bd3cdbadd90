/** How the parts of the management plane are: asked by the same question by which the supervisor saw that they are ready. */
import { askHttp } from "../process/http-probe.ts";
import type { SupervisorPlan, Unit } from "../supervisor/plan.ts";

export interface UnitHealth {
  readonly unit: Unit;
  readonly healthy: boolean;
  /** What is wrong; empty when nothing is. */
  readonly problem: string;
}

/** In the order of the plan; all at once, each within the time. */
export async function planeHealth(plan: SupervisorPlan, timeoutMs: number): Promise<readonly UnitHealth[]> {
  const units = plan.units.filter(({ group }) => group === "management-plane");
  return Promise.all(
    units.map(async (unit) => {
      const answer = await ask(unit, timeoutMs);
      return { unit, healthy: answer === "ready", problem: answer === "ready" ? "" : answer };
    }),
  );
}

async function ask({ readiness }: Unit, timeoutMs: number): Promise<string> {
  if (readiness.kind === "http") return askHttp(readiness, timeoutMs);
  return "ready";
}
