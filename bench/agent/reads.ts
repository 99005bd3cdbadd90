/** Reads under load: Get, List, Watch. */
import type { Connection } from "@liquidmetal/api/client";
import { distribution, round } from "../measure/distribution.ts";

/** Get calls for about `durationMs` with `inFlight` at once. */
export async function measureGets(
  host: Connection,
  uids: readonly string[],
  inFlight: number,
  durationMs: number,
): Promise<Record<string, unknown>> {
  const samples: number[] = [];
  const startedMs = performance.now();
  const worker = async (offset: number): Promise<void> => {
    for (let turn = offset; performance.now() - startedMs < durationMs; turn++) {
      const beganMs = performance.now();
      await host.microVms.getMicroVM({ uid: uids[turn % uids.length] ?? "" });
      samples.push(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => worker(index)));
  const seconds = (performance.now() - startedMs) / 1_000;
  return { inFlight, callsPerSecond: round(samples.length / seconds), milliseconds: distribution(samples) };
}

export async function measureLists(host: Connection, rounds: number): Promise<Record<string, unknown>> {
  const samples: number[] = [];
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    const beganMs = performance.now();
    count = (await host.microVms.listMicroVMs({})).microvm.length;
    samples.push(performance.now() - beganMs);
  }
  return { microVms: count, milliseconds: distribution(samples) };
}

/** How long after `act` each of `watchers` watches has seen something of `uid`. */
export async function measureWatch(
  host: Connection,
  watchers: number,
  uid: string,
  act: () => Promise<unknown>,
): Promise<Record<string, unknown>> {
  const controller = new AbortController();
  const synced: Promise<void>[] = [];
  const seen: Promise<number>[] = [];
  for (let index = 0; index < watchers; index++) {
    const ready = Promise.withResolvers<void>();
    const first = Promise.withResolvers<number>();
    synced.push(ready.promise);
    seen.push(first.promise);
    const follow = async (): Promise<void> => {
      for await (const message of host.host.watch({ snapshot: true, uid }, { signal: controller.signal })) {
        if (message.type === 2) ready.resolve();
        if (message.type === 3) first.resolve(performance.now());
      }
    };
    follow().catch((error: unknown) => {
      if (!controller.signal.aborted) first.reject(error);
    });
  }
  await Promise.all(synced);
  const beganMs = performance.now();
  await act();
  const times = await Promise.all(seen);
  controller.abort();
  return { watchers, milliseconds: distribution(times.map((time) => time - beganMs)) };
}
