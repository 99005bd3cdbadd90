/** Which steps of a plan may be done at once. Pure. */
import type { Step, StepKind } from "@liquidmetal/microvm";

/** Steps that need nothing of one another; what comes before them in a plan is there, what comes after may need all of them. */
const independent: readonly ReadonlySet<StepKind>[] = [
  new Set(["fetch-kernel", "fetch-initrd", "create-volume", "create-interface", "write-seed"]),
  new Set(["release-interface", "release-volume"]),
];

/** Cuts a plan into waves: the steps of one are done at once, the waves one after another. No wave is empty. */
export function inWaves(steps: readonly Step[]): readonly (readonly Step[])[] {
  const waves: Step[][] = [];
  for (const step of steps) {
    const last = waves.at(-1);
    const previous = last?.[0]?.kind;
    const together = previous !== undefined && independent.some((kinds) => kinds.has(previous) && kinds.has(step.kind));
    if (together) last?.push(step);
    else waves.push([step]);
  }
  return waves;
}
