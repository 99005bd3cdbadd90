/** Stand-ins for guests: a namespace each, joined to the bridge by a veth that bears the name and alias of a tap of ours. */
import { type ExecFileSyncOptions, execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { unwrap } from "@liquidmetal/foundation";
import type { InterfaceRequest, MadeInterface } from "@liquidmetal/microvm";
import type { RealWorld } from "./host-network-world.ts";
import { succeeds } from "./host-network-world.ts";

const quiet: ExecFileSyncOptions & { readonly encoding: "utf8" } = {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "pipe"],
  timeout: 15_000,
};

export class Guest {
  readonly namespace: string = `lm-guest-${randomBytes(4).toString("hex")}`;
  readonly world: RealWorld;
  readonly wanted: InterfaceRequest;
  made: MadeInterface;

  private constructor(world: RealWorld, wanted: InterfaceRequest, made: MadeInterface) {
    this.world = world;
    this.wanted = wanted;
    this.made = made;
  }

  /** Allocates and creates an interface, whose other end is `eth0` in the guest's namespace. */
  static async boot(world: RealWorld, wanted: InterfaceRequest): Promise<Guest> {
    const guest = new Guest(world, wanted, unwrap(await world.network.allocate(wanted)));
    const { hostDevice, guestMac } = guest.made;
    guest.plug(hostDevice, guestMac);
    world.ip(
      "link",
      "set",
      "dev",
      hostDevice,
      "alias",
      `liquidmetal:${world.platform}:${wanted.uid}/${guest.made.deviceId}`,
    );
    const created = await world.network.create(wanted, guest.made);
    // Nobody else knows of it yet.
    if (!created.ok) guest.unplug();
    guest.made = unwrap(created);
    return guest;
  }

  /** A machine on the bridge that the platform knows nothing of. */
  static stranger(world: RealWorld, mac: string, bridge: string = bridgeOf(world)): Guest {
    const nobody = { uid: "nobody", interface: { deviceId: "eth0", type: "tap" } } as const;
    const guest = new Guest(world, nobody, { hostDevice: `lms${randomBytes(4).toString("hex")}` } as MadeInterface);
    guest.plug(guest.made.hostDevice, mac);
    world.ip("link", "set", "dev", guest.made.hostDevice, "master", bridge, "up");
    return guest;
  }

  run(program: string, ...args: readonly string[]): string {
    return execFileSync("ip", ["netns", "exec", this.namespace, program, ...args], quiet);
  }

  can(program: string, ...args: readonly string[]): boolean {
    return succeeds("ip", "netns", "exec", this.namespace, program, ...args);
  }

  pings(address: string, source?: string): boolean {
    return this.can("busybox", "ping", "-c", "1", "-W", "1", ...(source === undefined ? [] : ["-I", source]), address);
  }

  /** Like `pings`, with others at the same time. */
  async reaches(address: string): Promise<boolean> {
    const words = ["netns", "exec", this.namespace, "busybox", "ping", "-c", "1", "-W", "1", address];
    return await promisify(execFile)("ip", words, { timeout: 15_000 }).then(
      () => true,
      () => false,
    );
  }

  /** Takes the address and the route that the platform gave, without asking DHCP. */
  configure(): void {
    this.run("ip", "addr", "replace", this.made.addresses[0] ?? "", "dev", "eth0");
    if (this.made.gateway !== undefined) this.run("ip", "route", "replace", "default", "via", this.made.gateway);
  }

  /** Asks DHCP; what the server said, or undefined when nobody answered. */
  dhcp(): Readonly<Record<string, string>> | undefined {
    const script = join(this.world.directory, `${this.namespace}.sh`);
    writeFileSync(
      script,
      '#!/bin/sh\n[ "$1" = bound ] && echo "ip=$ip router=$router dns=$dns domain=$domain mask=$mask"\nexit 0\n',
    );
    chmodSync(script, 0o755);
    try {
      const said = this.run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-s", script);
      return Object.fromEntries(
        said
          .trim()
          .split(/\s+/)
          .map((word) => word.split("=", 2) as [string, string]),
      );
    } catch {
      return undefined;
    }
  }

  unplug(): void {
    succeeds("ip", "netns", "delete", this.namespace);
  }

  plug(hostDevice: string, mac: string): void {
    execFileSync("ip", ["netns", "add", this.namespace], quiet);
    this.world.ip(
      "link",
      "add",
      "name",
      hostDevice,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "address",
      mac,
      "netns",
      this.namespace,
    );
    this.run("ip", "link", "set", "dev", "lo", "up");
    this.run("ip", "link", "set", "dev", "eth0", "up");
  }
}

export function bridgeOf(world: RealWorld): string {
  const shown = JSON.parse(world.ip("-json", "link", "show", "type", "bridge")) as readonly {
    readonly ifname: string;
  }[];
  return shown[0]?.ifname ?? "";
}
