/**
 * A token of a service account in a file, renewed before it ends. Kubernetes clients read a `tokenFile` again every minute.
 *
 * A renewal that fails (the API server is away) is tried again a minute later; the token in the file is good for a day, so that this has time.
 */
import { rename, writeFile } from "node:fs/promises";
import { type Clock, systemClock, type Timer } from "@liquidmetal/foundation";
import type { Kubectl } from "./kubectl.ts";

const tokenHours = 24;
const renewalMs = 8 * 3_600_000;
const retryMs = 60_000;

export interface TokenSource {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly file: string;
}

export class ServiceAccountToken implements Disposable {
  readonly #kubectl: Kubectl;
  readonly #source: TokenSource;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #timer: Timer | undefined;

  private constructor(kubectl: Kubectl, source: TokenSource, clock: Clock) {
    this.#kubectl = kubectl;
    this.#source = source;
    this.#clock = clock;
  }

  /** Resolves when the first token is in the file (0600). */
  static async start(kubectl: Kubectl, source: TokenSource, clock: Clock = systemClock): Promise<ServiceAccountToken> {
    const token = new ServiceAccountToken(kubectl, source, clock);
    await token.#renew();
    token.#later(renewalMs);
    return token;
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#timer?.cancel();
  }

  #later(delayMs: number): void {
    this.#timer = this.#clock.timer(delayMs, () => {
      this.#renew().then(
        () => this.#later(renewalMs),
        () => this.#over.signal.aborted || this.#later(retryMs),
      );
    });
  }

  async #renew(): Promise<void> {
    const { namespace, serviceAccount, file } = this.#source;
    const token = await this.#kubectl.token(namespace, serviceAccount, tokenHours, this.#over.signal);
    await writeFile(`${file}.new`, token, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}
