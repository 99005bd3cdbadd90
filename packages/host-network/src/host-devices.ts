/**
 * Taps and macvtaps: made, found and removed in batches.
 *
 * A device is made under an unfinished name (`lmnew…`), then given its name, alias, bridge and `up` in a single netlink message. That message
 * is all or nothing where it matters: if the name is taken it fails before anything else is done, so a foreign device is never touched, and a
 * device that bears our name without our alias is not ours. What a crash leaves behind is an unfinished device, removed by the next attempt.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { InterfaceType, OwnedDevice, Spawner } from "@liquidmetal/microvm";
import { Coalescer } from "./coalescer.ts";
import { ownedDevice, shortHash, tapMac, unfinishedName } from "./device-identity.ts";
import { IpCommand, type LinkState } from "./ip-batch.ts";

export interface DeviceRequest {
  readonly name: string;
  readonly type: InterfaceType;
  readonly alias: string;
  /** Bridge of a tap, parent of a macvtap. */
  readonly attachTo: string;
  /** The guest's hardware address: a macvtap bears the same, a tap one of its own (`tapMac`). */
  readonly mac: string;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Ports that are isolated do not reach each other, only the bridge itself. */
  readonly isolated: boolean;
}

export interface CreatedDevice {
  readonly link: LinkState;
  /** False when it was there already: whoever undoes a failure leaves it alone, for a guest may be using it. */
  readonly fresh: boolean;
}

type Answer = CreatedDevice | PlatformError;

export class HostDevices {
  readonly #ip: IpCommand;
  readonly #platform: string;
  readonly #creations: Coalescer<DeviceRequest, Answer>;
  readonly #removals: Coalescer<{ readonly name: string; readonly alias: string }, true | PlatformError>;
  readonly #listings: Coalescer<undefined, ReadonlyMap<string, LinkState>>;

  constructor(platform: string, spawner: Spawner, networkNamespace: string | undefined) {
    this.#platform = platform;
    this.#ip = new IpCommand(spawner, networkNamespace);
    this.#creations = new Coalescer((requests) => this.#createAll(requests));
    this.#removals = new Coalescer((requests) => this.#removeAll(requests));
    this.#listings = new Coalescer(async (requests) => {
      const links = await this.#ip.links();
      return requests.map(() => links);
    }, 10_000);
  }

  /** Makes sure that the device is there, ours, attached and up. NETWORK_DEVICE_TAKEN, BRIDGE_MISSING, CAPABILITY_MISSING, NETWORK_FAILED. */
  async create(request: DeviceRequest): Promise<CreatedDevice> {
    const answer = await this.#creations.ask(request);
    if (answer instanceof PlatformError) throw answer;
    return answer;
  }

  /** Removes the device unless it is gone or someone else's. */
  async remove(name: string, alias: string): Promise<void> {
    const answer = await this.#removals.ask({ name, alias });
    if (answer instanceof PlatformError) throw answer;
  }

  /** All links of the namespace, by name. */
  links(): Promise<ReadonlyMap<string, LinkState>> {
    return this.#listings.ask(undefined);
  }

  async list(): Promise<readonly OwnedDevice[]> {
    const owned = [...(await this.links()).values()].map((link) => ownedDevice(this.#platform, link.name, link.alias));
    return owned.filter((device) => device !== undefined && device.uid !== "embedded") as readonly OwnedDevice[];
  }

  async #createAll(requests: readonly DeviceRequest[], lastTry = false): Promise<readonly Answer[]> {
    const plans = requests.map(creation);
    const outcome = await this.#ip.batch(plans.flat());
    if (outcome.aborted !== undefined) return await this.#createAttachable(requests, outcome.aborted);
    const verdicts: (Answer | "again")[] = [];
    let line = 0;
    for (const [index, request] of requests.entries()) {
      const next = line + (plans[index]?.length ?? 0);
      const link = outcome.links.get(request.name);
      const reason = firstFailure(outcome.failures, line, next - 1);
      if (link !== undefined && link.alias !== request.alias) verdicts.push(taken(request, link));
      else if (link !== undefined && reason === undefined && isAsWanted(link, request))
        verdicts.push({ link, fresh: true });
      else if (!lastTry && (link !== undefined || /busy|exists/i.test(reason ?? ""))) verdicts.push("again");
      else verdicts.push(creationFailure(request, reason ?? "it is not as it was made"));
      line = next;
    }
    return await this.#settle(requests, verdicts);
  }

  /** Removes what failed attempts left, adjusts devices that were ours already, and makes those again that a leftover stood in the way of. */
  async #settle(
    requests: readonly DeviceRequest[],
    verdicts: readonly (Answer | "again")[],
  ): Promise<readonly Answer[]> {
    const unsettled = requests.filter(
      (_, index) => verdicts[index] === "again" || verdicts[index] instanceof PlatformError,
    );
    if (unsettled.length === 0) return verdicts as readonly Answer[];
    const links = await this.#ip.links();
    const leftovers = unsettled.map(({ name }) => unfinishedName(name)).filter((name) => links.get(name)?.alias === "");
    const again = requests.filter((_, index) => verdicts[index] === "again");
    const ours = again.filter((request) => links.get(request.name)?.alias === request.alias);
    const adjusted = await this.#ip.batch([
      ...leftovers.map((name) => `link del dev ${name}`),
      ...ours.filter(({ attachTo }) => links.has(attachTo)).flatMap(adjustment),
      ...ours.map(({ name }) => `link show dev ${name}`),
    ]);
    const missing = again.filter((request) => !ours.includes(request));
    const made = missing.length === 0 ? [] : await this.#createAll(missing, true);
    return requests.map((request, index) => {
      const verdict = verdicts[index];
      if (verdict !== undefined && verdict !== "again") return verdict;
      const link = adjusted.links.get(request.name);
      if (ours.includes(request) && link !== undefined && isAsWanted(link, request)) return { link, fresh: false };
      if (ours.includes(request) && !links.has(request.attachTo)) return bridgeMissing(request);
      return (
        made[missing.indexOf(request)] ?? creationFailure(request, "it is ours, and cannot be brought to its bridge")
      );
    });
  }

  /** After a batch that ended half way because a bridge is missing: those fail, the others are made. */
  async #createAttachable(requests: readonly DeviceRequest[], reason: string): Promise<readonly Answer[]> {
    const links = await this.#ip.links();
    const leftovers = requests.map(({ name }) => unfinishedName(name)).filter((name) => links.get(name)?.alias === "");
    if (leftovers.length > 0) await this.#ip.batch(leftovers.map((name) => `link del dev ${name}`));
    const attachable = requests.filter(({ attachTo }) => links.has(attachTo));
    if (attachable.length === requests.length) return requests.map((request) => creationFailure(request, reason));
    const made = attachable.length === 0 ? [] : await this.#createAll(attachable);
    return requests.map((request) => made[attachable.indexOf(request)] ?? bridgeMissing(request));
  }

  /**
   * The kernel takes some 20 ms to let a device go, for one or for hundreds at once: so what goes together is put in a link group of its own and
   * removed as a group. Should someone else use that group number, they go one by one.
   */
  async #removeAll(
    requests: readonly { readonly name: string; readonly alias: string }[],
  ): Promise<readonly (true | PlatformError)[]> {
    const group = departureGroup(this.#platform);
    const shown = await this.#ip.batch([
      `link show group ${group}`,
      ...requests.map(({ name }) => `link show dev ${name}`),
    ]);
    const ours = requests.filter(({ name, alias }) => shown.links.get(name)?.alias === alias);
    if (ours.length === 0) return requests.map(() => true as const);
    const named = new Set(requests.map(({ name }) => name));
    const groupIsOurs = [...shown.links.keys()].every((name) => named.has(name)) && ours.length > 1;
    const lines = groupIsOurs
      ? [...ours.map(({ name }) => `link set dev ${name} group ${group}`), `link del group ${group}`]
      : ours.map(({ name }) => `link del dev ${name}`);
    const outcome = await this.#ip.batch(lines);
    return requests.map((request) => {
      const at = ours.indexOf(request);
      const reason =
        at < 0
          ? undefined
          : (outcome.failures.get(at) ?? (groupIsOurs ? outcome.failures.get(ours.length) : undefined));
      if (reason === undefined || /cannot find device|no such device/i.test(reason)) return true;
      return new PlatformError("NETWORK_FAILED", `device ${request.name} could not be removed: ${reason}`);
    });
  }
}

/** A number that nobody else uses for a link group (31 bits of a hash). */
function departureGroup(platform: string): number {
  return Number.parseInt(shortHash(platform, "departure").slice(0, 8), 16) >>> 1;
}

/** The lines that make one device. Whatever is set before the name is set on a device that is certainly ours. */
function creation(request: DeviceRequest): readonly string[] {
  const { name, alias, attachTo, mac, owner } = request;
  const unfinished = unfinishedName(name);
  const address = request.type === "macvtap" ? mac : tapMac(mac);
  const finish = `link set dev ${unfinished} name ${name} alias ${alias} address ${address}`;
  if (request.type === "macvtap") {
    const making = `link add link ${attachTo} name ${unfinished} address ${mac} type macvtap mode bridge`;
    return [making, `${finish} up`, `link show dev ${name}`];
  }
  const making = `tuntap add dev ${unfinished} mode tap${owner === undefined ? "" : ` user ${owner.uid} group ${owner.gid}`}`;
  if (!request.isolated) return [making, `${finish} master ${attachTo} up`, `link show dev ${name}`];
  const isolation = [
    `link set dev ${unfinished} master ${attachTo}`,
    `link set dev ${unfinished} type bridge_slave isolated on`,
  ];
  return [making, ...isolation, `${finish} up`, `link show dev ${name}`];
}

function adjustment({ name, type, attachTo, isolated }: DeviceRequest): readonly string[] {
  if (type === "macvtap") return [`link set dev ${name} up`];
  const placing = `link set dev ${name} master ${attachTo} up`;
  return isolated ? [placing, `link set dev ${name} type bridge_slave isolated on`] : [placing];
}

function firstFailure(failures: ReadonlyMap<number, string>, from: number, to: number): string | undefined {
  for (let line = from; line < to; line++) {
    const reason = failures.get(line);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function isAsWanted(link: LinkState, request: DeviceRequest): boolean {
  return link.up && (request.type === "macvtap" || link.master === request.attachTo);
}

function taken(request: DeviceRequest, link: LinkState): PlatformError {
  const whose = link.alias === "" ? "it has no alias of ours" : `its alias is ${JSON.stringify(link.alias)}`;
  return new PlatformError(
    "NETWORK_DEVICE_TAKEN",
    `device ${request.name} exists and belongs to someone else: ${whose}`,
    {
      details: { device: request.name },
    },
  );
}

function bridgeMissing({ name, type, attachTo }: DeviceRequest): PlatformError {
  const role = type === "tap" ? "bridge" : "parent interface";
  return new PlatformError("BRIDGE_MISSING", `${role} ${attachTo} does not exist`, { details: { device: name } });
}

function creationFailure(request: DeviceRequest, reason: string): PlatformError {
  if (/cannot find device/i.test(reason)) return bridgeMissing(request);
  const details = { device: request.name };
  if (/not supported|unknown device type/i.test(reason)) {
    const what = request.type === "tap" ? "tap devices on bridges" : "macvtap devices";
    return new PlatformError("CAPABILITY_MISSING", `this host's kernel has no ${what}: ${reason}`, { details });
  }
  return new PlatformError("NETWORK_FAILED", `device ${request.name}: ${reason}`, { details });
}
