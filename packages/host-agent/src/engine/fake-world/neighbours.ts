/**
 * The processes beside the agent that its ports rely on. While one is down, calls that need it fail; those that were under way when it died may
 * have taken effect all the same, and nobody hears of it.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { FakeHost } from "./fake-host.ts";

export type Neighbour = "spawner" | "containerd";

/** The same port; these methods of it (they return a Result) need that neighbour. */
export function needing<T extends object>(
  host: FakeHost,
  neighbour: Neighbour,
  methods: readonly (keyof T)[],
  target: T,
): T {
  const needed: ReadonlySet<unknown> = new Set(methods);
  return new Proxy(target, {
    get: (object, key) => {
      const value: unknown = Reflect.get(object, key, object);
      if (typeof value !== "function" || !needed.has(key)) return value;
      return async (...args: unknown[]): Promise<unknown> => {
        if (!host.isDown(neighbour)) return await Reflect.apply(value, object, args);
        if (host.faults.repliesLost) await Reflect.apply(value, object, args);
        return { ok: false, error: unavailable(neighbour) };
      };
    },
  });
}

export function unavailable(neighbour: Neighbour): PlatformError {
  return neighbour === "spawner"
    ? new PlatformError("SPAWNER_UNAVAILABLE", "the spawner is gone")
    : new PlatformError("CONTAINERD_UNAVAILABLE", "containerd does not answer");
}
