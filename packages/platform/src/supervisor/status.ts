/** What a supervisor tells of itself and its units, over its control socket. */

/** waiting: for others. starting: not ready yet. backoff: waits to be started again. */
export type UnitState = "waiting" | "starting" | "ready" | "backoff" | "stopping" | "stopped";

export interface UnitStatus {
  readonly name: string;
  readonly state: UnitState;
  readonly pid: number | null;
  /** Found running and taken over, rather than started. */
  readonly adopted: boolean;
  readonly restarts: number;
  /** Why it is not ready, or how it ended last; empty when all is well. */
  readonly detail: string;
}

export interface SupervisorStatus {
  readonly platform: string;
  readonly pid: number;
  readonly planFingerprint: string;
  readonly startedAtMs: number;
  readonly stopping: boolean;
  readonly units: readonly UnitStatus[];
}

/**
 * status: once. watch: at once and at every change. stop: end all units, then the supervisor. stop-management-plane: end the units of this group, the last
 * started first, and go on with the others. leave: end the supervisor only.
 */
export type ControlRequest = "status" | "watch" | "stop" | "stop-management-plane" | "leave";
