/**
 * Looks after a plane from inside: what the managers need is there before they start, and stays good while they run.
 *
 * Once: manifests, aggregated roles, tokens. Then for ever: tokens before they end, certificates once a day. Nothing of it is fatal: what fails is told by
 * `problem` and tried again; an API server that is away for an hour costs nothing, for tokens are renewed hours before they end.
 */
import {
  backoffDelayMs,
  type Clock,
  type Entropy,
  PlatformError,
  sleep,
  systemClock,
  systemEntropy,
} from "@liquidmetal/foundation";
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import { planeCertificates } from "../certificates/plane-certificates.ts";
import { writeAdminKubeconfig } from "../embedded/admin-kubeconfig.ts";
import { awaitAggregated } from "./aggregated-roles.ts";
import { applyManifests } from "./apply-manifests.ts";
import type { KeeperConfiguration, ManifestSet } from "./keeper-configuration.ts";
import { renewTokens } from "./service-account-tokens.ts";

export interface KeeperOptions {
  readonly configuration: KeeperConfiguration;
  readonly manifests: () => Promise<readonly ManifestSet[]>;
  readonly client: KubernetesClient;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  /** Default: `planeCertificates`. */
  readonly ensureCertificates?: typeof planeCertificates;
}

const certificateLookMs = 24 * 3_600_000;
/** No timer is longer: a clock that jumps, or a machine that slept, is noticed within the hour. */
const longestSleepMs = 3_600_000;
const retry = { baseMs: 250, capMs: 30_000 } as const;

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #clock: Clock;
  #ready = false;
  #problem = "it has just started";

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** What is wrong at present, or waited for; empty when all is well. */
  get problem(): string {
    return this.#problem;
  }

  /** Everything was there once: whoever waited for this may start. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Until the signal says to end. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    let tokensAtMs = 0;
    let certificatesAtMs = 0;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!this.#ready) await this.#establish();
        if (tokensAtMs <= this.#clock.nowMs()) tokensAtMs = await this.#renewTokens();
        // Everything that others wait for is there.
        this.#ready = true;
        if (certificatesAtMs <= this.#clock.nowMs()) {
          await this.#renewCertificates();
          certificatesAtMs = this.#clock.nowMs() + certificateLookMs;
        }
        this.#become("");
        failures = 0;
        const waitMs = Math.min(tokensAtMs, certificatesAtMs) - this.#clock.nowMs();
        await sleep(this.#clock, Math.min(Math.max(waitMs, 1_000), longestSleepMs), signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#become(PlatformError.from(error, "INTERNAL").message);
        const fraction = (this.#options.entropy ?? systemEntropy).fraction();
        await sleep(this.#clock, backoffDelayMs(failures, fraction, retry), signal).catch(() => undefined);
      }
    }
  }

  async #establish(): Promise<void> {
    const { client, signal, configuration, report } = this.#options;
    const clock = this.#clock;
    this.#become("applying manifests");
    const applied = await applyManifests(await this.#options.manifests(), { client, clock, signal, report });
    if (applied.length > 0) report(`applied: ${applied.join(", ")}`);
    this.#become("waiting for the aggregated roles");
    await awaitAggregated(configuration.aggregatedRoles, { client, clock, signal });
  }

  async #renewTokens(): Promise<number> {
    const { client, signal, configuration, report } = this.#options;
    const nowMs = this.#clock.nowMs();
    const nextMs = await renewTokens(client, configuration.tokens, { nowMs, signal });
    report(`tokens renewed; next at ${new Date(nextMs).toISOString()}`);
    return nextMs;
  }

  /** Programs read their certificates again by themselves; the administrator's stand in a kubeconfig, which is written anew. */
  async #renewCertificates(): Promise<void> {
    const { configuration, signal } = this.#options;
    const { url, adminKubeconfig } = configuration;
    const ensure = this.#options.ensureCertificates ?? planeCertificates;
    const certificates = await ensure(configuration.certificates, { clock: this.#clock, signal });
    await writeAdminKubeconfig({ url, certificates, ...adminKubeconfig });
  }

  #become(problem: string): void {
    if (problem !== this.#problem) this.#options.report(problem === "" ? "all is well" : problem);
    this.#problem = problem;
  }
}
