/**
 * Two connections made one: what comes in here goes out there, both ways, as fast as the slower one takes it.
 *
 * Either side may end its half first, and the other goes on. A pair that is half closed and still is ended after a while; one that is open may be silent for as
 * long as it likes (a watch is), for keep-alives find out when the other side is gone.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export const keepAliveMs = 30_000;
const halfClosedMs = 5 * 60_000;

export interface JoinOptions {
  /** How long a half-closed pair may be silent, milliseconds. Default five minutes. */
  readonly halfClosedMs?: number;
}

/** Both have to be made with `allowHalfOpen`. Resolves when both are closed. */
export function join(one: Duplex, other: Socket, options: JoinOptions = {}): Promise<void> {
  const silenceMs = options.halfClosedMs ?? halfClosedMs;
  let open = 2;
  return new Promise((resolve) => {
    const destroy = (): void => {
      one.destroy();
      other.destroy();
    };
    const ended = (): void => {
      other.setTimeout(silenceMs, destroy);
    };
    const closed = (): void => {
      open -= 1;
      if (open === 0) resolve();
    };
    for (const side of [one, other]) {
      side.once("end", ended);
      side.once("error", destroy);
      side.once("close", closed);
      // One that closes without having ended was broken: so is the pair.
      side.once("close", () => {
        if (!side.readableEnded || side.errored !== null) destroy();
      });
    }
    one.pipe(other);
    other.pipe(one);
  });
}
