/** Parts of a platform that die: killed by the pid that `lm status` tells, and waited for until the supervisor has another one that is well. */
import { setTimeout as pause } from "node:timers/promises";
import type { ClusterWorld } from "./cluster-world.ts";
import { deadlineMs } from "./machine-speed.ts";

/** Resolves with the milliseconds until `lm status` had another one, healthy. */
export async function killPart(world: ClusterWorld, name: string): Promise<number> {
  const pid = (await world.status()).parts.find((part) => part.name === name)?.pid;
  if (pid === undefined || pid === null) throw new Error(`${name} does not run`);
  process.kill(pid, "SIGKILL");
  const began = performance.now();
  const limitMs = await deadlineMs(90);
  for (;;) {
    const { parts } = await world.status();
    const part = parts.find((each) => each.name === name);
    const unwell = parts
      .filter(({ healthy }) => !healthy)
      .map((each) => `${each.name} (${each.state}): ${each.detail}`);
    if (part?.pid !== undefined && part.pid !== null && part.pid !== pid && unwell.length === 0)
      return performance.now() - began;
    if (performance.now() - began > limitMs)
      throw new Error(`not well again after ${limitMs} ms: ${unwell.join("; ") || name}`);
    await pause(250);
  }
}
