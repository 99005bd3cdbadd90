/**
 * The gRPC connection of one host, made anew when its kind changes (upstream's servers end connections that ask for signs of life) or when it hangs.
 */
import { type Connection, connect } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostAccess } from "./host.ts";
import { hostError } from "./host-errors.ts";
import type { HostTiming } from "./host-timing.ts";

export class HostConnection {
  readonly #access: HostAccess;
  readonly #timing: HostTiming;
  readonly #onDialFailure: (error: PlatformError) => void;
  #connection: Connection;
  readonly #waiting: Set<(error: PlatformError) => void> = new Set();
  #asksForLife = true;
  /** Counts connections: what an earlier one still has to say is of no interest. */
  #generation = 0;

  /** Throws HOST_ACCESS_INVALID when certificates, key or proxy cannot be read. */
  constructor(access: HostAccess, timing: HostTiming, onDialFailure: (error: PlatformError) => void) {
    this.#access = access;
    this.#timing = timing;
    this.#onDialFailure = onDialFailure;
    this.#connection = this.#open();
  }

  get current(): Connection {
    return this.#connection;
  }

  /** Whether the host is asked for signs of life; a change makes a new connection. */
  asksForLife(asks: boolean): void {
    if (this.#asksForLife === asks) return;
    this.#asksForLife = asks;
    this.renew();
  }

  /** Resolves when connected. Throws HOST_UNREACHABLE or HOST_REFUSED as soon as an attempt has failed, or at the deadline. */
  async ready(timeoutMs: number): Promise<void> {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#waiting.add(reject);
    try {
      await Promise.race([this.#connection.ready(timeoutMs), failed]);
    } catch (error) {
      if (error instanceof PlatformError && error.code !== "UNAVAILABLE") throw error;
      const why = "no connection comes about; can its name be resolved?";
      throw new PlatformError("HOST_UNREACHABLE", `${this.#access.endpoint}: ${why}`, {
        cause: error,
        details: { unexplained: true },
      });
    } finally {
      this.#waiting.delete(reject);
    }
  }

  /** Resolves when it is connected again, or after `timeoutMs`. Never rejects. */
  async back(timeoutMs: number): Promise<void> {
    await this.#connection.ready(timeoutMs).catch(() => undefined);
  }

  /** Begins afresh: nothing is known to have failed, and yet no connection comes about. */
  renew(): void {
    this.#connection.close();
    this.#connection = this.#open();
  }

  close(): void {
    this.#connection.close();
  }

  #failed(error: PlatformError): void {
    this.#onDialFailure(error);
    for (const reject of this.#waiting) reject(error);
  }

  #open(): Connection {
    const { endpoint, token, tls, proxy } = this.#access;
    const { callMs, dialMs, keepaliveMs, keepaliveTimeoutMs, retry } = this.#timing;
    const generation = ++this.#generation;
    const asking = this.#asksForLife ? { keepaliveMs, keepaliveTimeoutMs } : {};
    try {
      return connect({
        address: endpoint,
        timeoutMs: callMs,
        ...(token === undefined ? {} : { token }),
        ...(tls === undefined ? {} : { tls }),
        lasting: {
          dialTimeoutMs: dialMs,
          reconnectMs: retry.capMs,
          ...asking,
          ...(proxy === undefined ? {} : { proxy }),
          onDialFailure: (error) => {
            if (generation === this.#generation) this.#failed(hostError(error, "watch", endpoint));
          },
        },
      });
    } catch (error) {
      throw new PlatformError("HOST_ACCESS_INVALID", `${endpoint}: ${PlatformError.from(error).message}`, {
        cause: error,
      });
    }
  }
}
