/** The real clock and the real entropy: the only place of the core that touches the machine's own. */
import type { Clock, Entropy } from "./clock.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer: (delayMs, fire) => {
    // setTimeout takes at most 2^31-1 ms and fires at once beyond that.
    const handle = setTimeout(fire, Math.min(Math.max(delayMs, 0), 0x7fffffff));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

export const systemEntropy: Entropy = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => Math.random(),
};
