/** What the parts of the engine share: the ports, the records, the guests that run, and what the hypervisors can do. */
import { PlatformError, type Result } from "@liquidmetal/foundation";
import type { Capabilities, Hypervisor, MicroVmRecord } from "@liquidmetal/microvm";
import type { EngineDependencies } from "./dependencies.ts";
import { type Failpoints, noFailpoints } from "./failpoints.ts";
import type { Guests } from "./guests.ts";
import type { Records } from "./records.ts";

export interface EngineContext {
  readonly deps: EngineDependencies;
  readonly records: Records;
  readonly guests: Guests;
  readonly hypervisors: HypervisorTable;
  readonly failpoints: Failpoints;
  /** MicroVMs of which a process may live that nobody knows: a start failed, or the spawner died in it. Looked for before anything else is done. */
  readonly suspects: Set<string>;
  /** Has this microVM looked at as soon as there is a free worker. */
  readonly wake: (uid: string) => void;
  /** The same, not before `delayMs`; whatever wakes it earlier waits for that, except the user's word. */
  readonly holdOff: (uid: string, delayMs: number) => void;
}

export function failpointsOf(deps: EngineDependencies): Failpoints {
  return deps.failpoints ?? noFailpoints;
}

/** The drivers by name, with what they can do; a probe that succeeded is kept, one that failed is made again when asked for. */
export class HypervisorTable {
  readonly #drivers: ReadonlyMap<string, Hypervisor>;
  readonly #probes: Map<string, Promise<Result<Capabilities, PlatformError>>> = new Map();

  constructor(drivers: ReadonlyMap<string, Hypervisor>) {
    this.#drivers = drivers;
  }

  get names(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  /** Throws PROVIDER_UNKNOWN. */
  driver(name: string): Hypervisor {
    const driver = this.#drivers.get(name);
    if (driver === undefined) {
      throw new PlatformError(
        "PROVIDER_UNKNOWN",
        `microvm provider ${name} isn't available; this host has: ${this.names.join(", ")}`,
      );
    }
    return driver;
  }

  /** Throws PROVIDER_UNKNOWN. */
  async capabilities(name: string): Promise<Result<Capabilities, PlatformError>> {
    const driver = this.driver(name);
    const known = this.#probes.get(name);
    if (known !== undefined) return await known;
    const probe = driver.capabilities();
    this.#probes.set(name, probe);
    const result = await probe;
    if (!result.ok) this.#probes.delete(name);
    return result;
  }
}

/** The user and group of a microVM's VMM; undefined = the agent's own. */
export function vmmIdentity(record: MicroVmRecord): { readonly uid: number; readonly gid: number } | undefined {
  const id = record.made.vmmUserId;
  return id === 0 ? undefined : { uid: id, gid: id };
}
