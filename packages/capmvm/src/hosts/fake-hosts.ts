/**
 * The port `Hosts` in memory, for tests of the reconcilers and the crash matrix: hosts that the test adds, fails, freezes and brings back.
 *
 * A host that was never added is there all the same, unreachable, as a mistyped endpoint is.
 */
import { Broadcast, type Clock } from "@liquidmetal/foundation";
import { FakeHost, type FakeHostOptions } from "./fake-host.ts";
import type { Host, HostAccess, HostChange, HostMicroVm, Hosts } from "./host.ts";

export class FakeHosts implements Hosts {
  /** With what access each host was asked for, oldest first. */
  readonly accesses: HostAccess[] = [];
  /** Owners that were released, oldest first. */
  readonly released: string[] = [];
  readonly #clock: Clock;
  readonly #changes: Broadcast<HostChange> = new Broadcast();
  readonly #hosts: Map<string, FakeHost> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(endpoint: string, options: FakeHostOptions = {}): FakeHost {
    const host = new FakeHost(endpoint, this.#clock, (change) => this.#changes.publish(change), options);
    this.#hosts.set(endpoint, host);
    return host;
  }

  /** The host at this endpoint; throws when none was added. */
  at(endpoint: string): FakeHost {
    const host = this.#hosts.get(endpoint);
    if (host === undefined) throw new Error(`no fake host at ${endpoint}`);
    return host;
  }

  /** All microVMs on all hosts: for "none twice, none lost". */
  microVms(): readonly (HostMicroVm & { readonly endpoint: string })[] {
    return [...this.#hosts.values()].flatMap((host) =>
      host.microVms.map((microVm) => ({ ...microVm, endpoint: host.endpoint })),
    );
  }

  /** Calls of that name on all hosts. */
  count(call: keyof FakeHost["counts"]): number {
    return [...this.#hosts.values()].reduce((sum, host) => sum + host.counts[call], 0);
  }

  host(access: HostAccess): Host {
    this.accesses.push(access);
    const known = this.#hosts.get(access.endpoint);
    if (known !== undefined) return known;
    const missing = this.add(access.endpoint);
    missing.unreachable(`${access.endpoint} is not known`);
    return missing;
  }

  release(owner: string): void {
    this.released.push(owner);
  }

  list(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  onChange(listener: (change: HostChange) => void): Disposable {
    return this.#changes.listen(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes.close();
  }
}
