/**
 * One life of a process in a test: its calls to the world are counted, and at one of them it dies.
 *
 * Dead before a call: the call has no effect. Dead after it: it has its effect, and nobody gets the answer. Dead in the midst of it: it has its effect
 * when others may have gone on already. Nothing that this life still awaits ever goes on, as with a process that is gone.
 */
import type { Clock } from "@liquidmetal/foundation";
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import type { Host, HostAccess, HostChange, Hosts } from "../hosts/host.ts";

export interface Death {
  /** Number of the call, from 1. */
  readonly call: number;
  readonly moment: "before" | "after" | "amid";
}

/** How late a call still has its effect when its caller died in the midst of it, milliseconds. */
const lateMs = 10_000;

export class Life {
  readonly calls: string[] = [];
  readonly #clock: Clock;
  readonly #death: Death | undefined;
  #dead = false;

  constructor(clock: Clock, death?: Death) {
    this.#clock = clock;
    this.#death = death;
  }

  get dead(): boolean {
    return this.#dead;
  }

  die(): void {
    this.#dead = true;
  }

  /** `work` is told when nobody is there any more to cancel it. */
  async call<T>(name: string, work: (alone: boolean) => Promise<T>): Promise<T> {
    if (this.#dead) return await never<T>();
    this.calls.push(name);
    const here = this.calls.length === this.#death?.call ? this.#death.moment : undefined;
    if (here === "before" || here === "amid") this.#dead = true;
    if (here === "amid") this.#clock.timer(lateMs, () => void settled(() => work(true)));
    if (this.#dead) return await never<T>();
    const ended = await settled(() => work(false));
    if (here === "after") this.#dead = true;
    if (this.#dead) return await never<T>();
    if ("error" in ended) throw ended.error;
    return ended.value;
  }
}

const callsOfClient: readonly (keyof KubernetesClient)[] = [
  "get",
  "find",
  "list",
  "create",
  "replace",
  "mergePatch",
  "jsonPatch",
  "apply",
  "delete",
];

/** The client as this life has it. Watches are not counted. */
export function mortalClient(client: KubernetesClient, life: Life): KubernetesClient {
  return new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const call = callsOfClient.find((known) => known === name);
      if (call === undefined) return value.bind(target);
      return (kind: { readonly kind: string }, ...rest: readonly unknown[]) =>
        life.call(`${call} ${kind.kind}`, (alone) =>
          Reflect.apply(value, target, [kind, ...(alone ? rest.map(withoutSignal) : rest)]),
        );
    },
  });
}

/** Hosts as this life has them: one view for each host, and no news once it is dead. */
export function mortalHosts(hosts: Hosts, life: Life): Hosts {
  const views = new Map<Host, Host>();
  const viewOf = (host: Host): Host => {
    const view = views.get(host) ?? mortalHost(host, life);
    views.set(host, view);
    return view;
  };
  return {
    host: (access: HostAccess) => viewOf(hosts.host(access)),
    list: () => hosts.list().map(viewOf),
    release: (...from) => hosts.release(...from),
    onChange: (listener: (change: HostChange) => void) =>
      hosts.onChange((change) => {
        if (!life.dead) listener(change);
      }),
    [Symbol.asyncDispose]: async () => {},
  };
}

function mortalHost(host: Host, life: Life): Host {
  return {
    endpoint: host.endpoint,
    health: () => host.health(),
    facts: () => host.facts(),
    known: (uid) => host.known(uid),
    knownByName: (namespace, name) => host.knownByName(namespace, name),
    get synced() {
      return host.synced;
    },
    create: (request, options) => life.call("host create", (alone) => host.create(request, alone ? {} : options)),
    get: (uid, options) => life.call("host get", (alone) => host.get(uid, alone ? {} : options)),
    list: (namespace, name, options) =>
      life.call("host list", (alone) => host.list(namespace, name, alone ? {} : options)),
    delete: (uid, options) => life.call("host delete", (alone) => host.delete(uid, alone ? {} : options)),
  };
}

async function settled<T>(work: () => Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

function withoutSignal(argument: unknown): unknown {
  if (typeof argument !== "object" || argument === null || !("signal" in argument)) return argument;
  const { signal: _, ...rest } = argument;
  return rest;
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
