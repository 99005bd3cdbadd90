/**
 * Why a host does not answer, in words that stand still.
 *
 * A host that is down fails with another text at each attempt (refused, then no answer in time); to write each would be to write for ever, for every cluster.
 * As long as its state and code are the same, the first words stay; newer ones are told at most every 30 s.
 */
import { keyText, type ObjectKey } from "@liquidmetal/kubernetes";
import type { MicrovmCluster } from "../api/index.ts";
import type { HostHealth } from "../hosts/host.ts";
import type { PoolHost } from "./pool-hosts.ts";

export const wordsEveryMs = 30_000;

interface Told {
  readonly state: HostHealth["state"];
  readonly code: HostHealth["code"];
  readonly message: string;
  /** Monotonic milliseconds. */
  readonly toldMs: number;
}

export class SteadyWords {
  /** By cluster, then endpoint. */
  readonly #told: Map<string, ReadonlyMap<string, Told>> = new Map();

  /** The same hosts, with the words that were told of those that are down. */
  settle(cluster: MicrovmCluster, key: ObjectKey, hosts: readonly PoolHost[], nowMs: number): readonly PoolHost[] {
    const before = this.#told.get(keyText(key));
    const after = new Map<string, Told>();
    const settled = hosts.map((host) => {
      const { health, spec } = host;
      if (health.state !== "unreachable" && health.state !== "refused") return host;
      const known = before?.get(spec.endpoint) ?? written(cluster, host, nowMs);
      const same = known?.state === health.state && (known.code === health.code || known.code === undefined);
      const told: Told =
        known !== undefined && same && nowMs - known.toldMs < wordsEveryMs
          ? known
          : { state: health.state, code: health.code, message: health.message, toldMs: nowMs };
      after.set(spec.endpoint, told);
      return { ...host, health: { ...health, message: told.message } };
    });
    this.#told.set(keyText(key), after);
    return settled;
  }

  forget(key: ObjectKey): void {
    this.#told.delete(keyText(key));
  }
}

/** What an earlier process said. */
function written({ status }: MicrovmCluster, { spec, health }: PoolHost, toldMs: number): Told | undefined {
  const host = status?.hosts?.find(({ endpoint }) => endpoint === spec.endpoint);
  if (host?.state.toLowerCase() !== health.state) return undefined;
  return { state: health.state, code: undefined, message: host.message ?? "", toldMs };
}
