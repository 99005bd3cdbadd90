/** Hosts as capmvm opens them, with every change recorded, and waits that name what they wait for. */
import { PlatformError } from "@liquidmetal/foundation";
import type { FakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { Host, HostAccess, HostChange, Hosts, MicroVmRequest } from "../../packages/capmvm/src/hosts/host.ts";
import type { HostTiming } from "../../packages/capmvm/src/hosts/host-timing.ts";
import { openHosts } from "../../packages/capmvm/src/hosts/open-hosts.ts";

/** Everything that takes seconds in earnest takes tenths here. */
export const quick: Partial<HostTiming> = {
  callMs: 2_000,
  dialMs: 600,
  keepaliveMs: 400,
  keepaliveTimeoutMs: 800,
  graceMs: 100,
  retry: { baseMs: 50, capMs: 300 },
  refusedMs: 400,
  pollMs: 120,
  pollBusyMs: 40,
  factsMs: 5_000,
  factsDebounceMs: 50,
  drainMs: 2_000,
};

export class HostsWorld implements AsyncDisposable {
  readonly hosts: Hosts;
  readonly changes: HostChange[] = [];
  readonly #listeners: Set<() => void> = new Set();

  constructor(timing: Partial<HostTiming> = {}) {
    this.hosts = openHosts({ timing: { ...quick, ...timing } });
    this.hosts.onChange((change) => {
      this.changes.push(change);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Opens a host and waits until what is known of it is true. */
  async synced(fake: FakeFlintlockd, access: Partial<HostAccess> = {}): Promise<Host> {
    const host = this.hosts.host({ endpoint: fake.endpoint, ...access });
    await this.until("the host is synced", () => host.synced);
    return host;
  }

  /** Waits for the change after which `look` holds; looks at once, too. */
  async until(what: string, look: () => boolean, timeoutMs = 10_000): Promise<void> {
    if (look()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = (): void => {
      if (look()) resolve();
    };
    this.#listeners.add(listener);
    const said = (): string => JSON.stringify(this.changes.slice(-5));
    const timer = setTimeout(
      () => reject(new Error(`${what}: not within ${timeoutMs} ms; last: ${said()}`)),
      timeoutMs,
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    }
  }

  /** The health that a host has as soon as it is in this state. */
  async health(host: Host, state: string, timeoutMs?: number): Promise<string> {
    await this.until(`${host.endpoint} is ${state}`, () => host.health().state === state, timeoutMs);
    return host.health().message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hosts[Symbol.asyncDispose]();
  }
}

export function request(change: Partial<MicroVmRequest> = {}): MicroVmRequest {
  return {
    namespace: "team-a",
    name: "demo-md-0-abcde",
    identity: "3c8f1c1e-0000-4000-8000-000000000001",
    labels: { "cluster-name": "demo" },
    vcpu: 2,
    memoryMiB: 2_048,
    kernel: { image: "registry.example/kernel:6.12", filename: "boot/vmlinux", cmdline: { quiet: "" } },
    rootVolume: { id: "root", image: "registry.example/node:1.36", readOnly: false, sizeMiB: 8_192 },
    additionalVolumes: [
      { id: "modules", image: "registry.example/modules:6.12", readOnly: true, mountPoint: "/lib/modules" },
    ],
    interfaces: [
      {
        device: "eth1",
        type: "tap",
        mac: "02:00:00:00:00:07",
        address: "10.0.0.7/24",
        gateway: "10.0.0.1/24",
        nameservers: ["10.0.0.2"],
        bridge: "br0",
      },
    ],
    metadata: {
      "user-data": "#cloud-config\n",
      "vendor-data": "#cloud-config\n",
      "meta-data": "local_hostname: demo-md-0-abcde\nplatform: liquid_metal\n",
    },
    ...change,
  };
}

/** The failure of work that must fail. */
export async function failure(work: Promise<unknown>): Promise<PlatformError> {
  const error: unknown = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof PlatformError) return error;
  throw error;
}
