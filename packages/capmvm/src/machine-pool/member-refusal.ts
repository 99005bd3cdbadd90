/**
 * A machine of a pool that the API server does not make: a quota, a webhook, missing rights. Pure.
 *
 * What is said of it is the same for every attempt, or each attempt would write the status, and that would wake the next one: the random name of the machine
 * is left out, and words of a server that is broken (they change with each dead connection) stay as they were first.
 */
import { ApiError, findCondition } from "@liquidmetal/kubernetes";
import type { MicrovmMachinePool } from "../api/index.ts";
import type { Replicas } from "./pool-status.ts";

export interface CreateRefusal {
  readonly error: ApiError;
  /** Without the name of the machine. */
  readonly words: string;
}

/** The server's word on what was sent; no answer, a race and a busy server are none. */
const refusing: readonly number[] = [400, 403, 404, 422, 500];
const messageMax = 2_000;

/** Undefined: not a refusal, but something that passes by itself. */
export function refusalOf(error: unknown, machineName: string): CreateRefusal | undefined {
  if (!(error instanceof ApiError) || !refusing.includes(error.httpStatus)) return undefined;
  const words = error.message.replaceAll(machineName, "<new machine>").slice(0, messageMax).toWellFormed();
  return { error, words };
}

export function refusedCondition(pool: MicrovmMachinePool, { error, words }: CreateRefusal): Replicas {
  const reason = "CreateRefused";
  const head = `the API server refuses to make a machine (${error.reason}): `;
  const before = findCondition(pool.status?.conditions, "ReplicasAvailable");
  const same = before?.reason === reason && before.message.startsWith(head);
  const message = same && error.httpStatus >= 500 ? before.message : `${head}${words}`;
  return { status: "False", reason, message };
}
