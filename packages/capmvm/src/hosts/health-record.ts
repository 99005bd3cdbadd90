/**
 * The health of one host as a small state machine with one writer: whoever follows the host.
 *
 * `unknown` (not tried yet) → `reachable` ⇄ `unreachable` | `refused`. A change of state or of its message is told; and each return to `reachable` is, even
 * from `reachable`: what is known of the host's microVMs is true again from then on.
 */
import type { Clock, PlatformError } from "@liquidmetal/foundation";
import type { HostHealth } from "./host.ts";

export class HealthRecord {
  readonly #clock: Clock;
  readonly #tell: (health: HostHealth) => void;
  #health: HostHealth;

  constructor(clock: Clock, tell: (health: HostHealth) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#health = { state: "unknown", sinceMs: clock.nowMs(), message: "not asked yet" };
  }

  get current(): HostHealth {
    return this.#health;
  }

  reachable(): void {
    if (this.#health.state !== "reachable") this.#set({ state: "reachable", message: "" });
    this.#tell(this.#health);
  }

  /** By HOST_REFUSED or HOST_ACCESS_INVALID refused, by anything else unreachable. */
  failed(error: PlatformError): void {
    const refused = error.code === "HOST_REFUSED" || error.code === "HOST_ACCESS_INVALID";
    const state = refused ? "refused" : "unreachable";
    const code = refused ? error.code : "HOST_UNREACHABLE";
    const { state: before, message } = this.#health;
    if (before === state && message === error.message) return;
    this.#set({ state, message: error.message, code });
    this.#tell(this.#health);
  }

  #set(health: Omit<HostHealth, "sinceMs">): void {
    const sinceMs = health.state === this.#health.state ? this.#health.sinceMs : this.#clock.nowMs();
    this.#health = { ...health, sinceMs };
  }
}
