/** Port: what the engine measures as it works. Gauges (queue depth, records by phase, usage) are read from the engine when asked for. */
import type { StepKind } from "@liquidmetal/microvm";

export type StepOutcome = "done" | "failed" | "cancelled";

export interface EngineMetrics {
  /** One step ended; `code` is the error's when it failed. */
  stepFinished(step: StepKind, outcome: StepOutcome, durationMs: number, code?: string): void;
  /** From acceptance to the first time the VMM said that the guest runs. */
  created(durationMs: number): void;
}

/** Measures nothing. */
export const noMetrics: EngineMetrics = {
  stepFinished: () => undefined,
  created: () => undefined,
};
