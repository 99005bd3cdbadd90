/**
 * The embedded network: a bridge of our own with DHCP, DNS and rules, optionally in a network namespace of its own.
 *
 * Everything is idempotent and named from the platform's name; what is chosen (subnet, link, the namespace that we make) is kept by the settings before it is
 * made. Removal takes down exactly what carries our names and aliases; a bridge that someone else made is used neither way.
 */
import { mkdir } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { Spawner } from "@liquidmetal/microvm";
import { runTool } from "./command.ts";
import { derivedMac, shortHash } from "./device-identity.ts";
import {
  configuredSubnet,
  type EmbeddedLayout,
  type EmbeddedNetworkConfiguration,
  embeddedLayout,
  floatingRange,
  gatewayCidr,
  layoutSubnet,
} from "./embedded-configuration.ts";
import { bridgeRules, bridgeTable, hostRules, hostTable, tableRemoval } from "./embedded-rules.ts";
import { usedSubnets } from "./host-addresses.ts";
import { parseSubnet, type Subnet, subnetText } from "./ip-address.ts";
import { IpCommand } from "./ip-batch.ts";
import type { PacketFilter } from "./packet-filter.ts";
import { type NetworkSettings, settingKeys } from "./settings.ts";
import { chooseLinkSubnet, chooseSubnet } from "./subnet-choice.ts";

export interface EmbeddedNetworkOptions {
  readonly platform: string;
  readonly configuration: EmbeddedNetworkConfiguration;
  readonly spawner: Spawner;
  readonly settings: NetworkSettings;
  readonly filter: PacketFilter;
  readonly networkNamespace?: string | undefined;
}

export class EmbeddedNetwork {
  readonly #options: EmbeddedNetworkOptions;
  readonly #inner: IpCommand;
  readonly #host: IpCommand;

  constructor(options: EmbeddedNetworkOptions) {
    this.#options = options;
    this.#inner = new IpCommand(options.spawner, options.networkNamespace);
    this.#host = new IpCommand(options.spawner, undefined);
  }

  /** Makes namespace, bridge, link and rules as configured, and says how they came out. */
  async ensure(): Promise<EmbeddedLayout> {
    const { configuration, networkNamespace, filter } = this.#options;
    if (networkNamespace !== undefined) await this.#ensureNamespace(networkNamespace);
    const layout = await this.#layout();
    filter.share(floatingRange(layout));
    filter.closeDetour({
      subnet: layoutSubnet(layout),
      gateway: layout.gateway,
    });
    // Whoever asked before the namespace was there got a wrong answer.
    filter.lookAgain();
    await mkdir(configuration.stateDirectory, { recursive: true, mode: 0o755 });
    await this.#ensureBridge(layout);
    if (layout.link !== undefined) await this.#ensureLink(layout);
    if (!(await filter.supported())) {
      throw new PlatformError(
        "CAPABILITY_MISSING",
        "the embedded network needs nftables, and this host has none that works",
        {
          remedy: "install nftables, or use a bridge of your own",
        },
      );
    }
    await filter.apply(bridgeRules(layout));
    if (layout.link !== undefined) await filter.apply(hostRules(layout), null);
    if (layout.egress) await this.#ensureForwarding(layout);
    return layout;
  }

  /** What the settings say that was made; names are right even when nothing was. */
  keptLayout(): EmbeddedLayout {
    const { platform, configuration, settings, networkNamespace } = this.#options;
    const subnet = parseSubnet(settings.get(settingKeys.subnet) ?? "") ?? { base: 0, prefixLength: 24 };
    const link = parseSubnet(settings.get(settingKeys.link) ?? "");
    return embeddedLayout({ platform, configuration, subnet, link, networkNamespace });
  }

  /** Takes down rules, bridge, link and namespace, as far as they are ours and there. */
  async remove(): Promise<void> {
    const { platform, settings, networkNamespace, filter } = this.#options;
    const layout = this.keptLayout();
    if (layout.link !== undefined) {
      await this.#host.succeeds("link", "del", "dev", layout.link.hostDevice);
      await filter.apply(tableRemoval(hostTable(platform)), null);
    }
    const reachable = networkNamespace === undefined || (await this.#namespaceExists(networkNamespace));
    if (reachable) {
      const bridge = (await this.#inner.links()).get(layout.bridgeName);
      if (bridge?.alias === layout.bridgeAlias) await this.#inner.require("link", "del", "dev", layout.bridgeName);
      if (await filter.supported()) await filter.apply(tableRemoval(bridgeTable(platform)));
      await filter.removeAntiSpoofing();
    }
    if (networkNamespace !== undefined && settings.get(settingKeys.madeNamespace) === networkNamespace) {
      if (reachable) await this.#host.require("netns", "delete", networkNamespace);
      settings.set(settingKeys.madeNamespace, "");
    }
    settings.set(settingKeys.subnet, "");
    settings.set(settingKeys.link, "");
  }

  /** Chooses on the first call; the choice is kept for good, for records hold addresses in it. A configured subnet wins over the kept one. */
  async #layout(): Promise<EmbeddedLayout> {
    const { platform, configuration, spawner, settings, networkNamespace } = this.#options;
    const kept = parseSubnet(settings.get(settingKeys.subnet) ?? "");
    const keptLink = parseSubnet(settings.get(settingKeys.link) ?? "");
    const names = embeddedLayout({
      platform,
      configuration,
      subnet: kept ?? { base: 0, prefixLength: 24 },
      link: keptLink ?? { base: 0, prefixLength: 30 },
      networkNamespace,
    });
    const ours = new Set([names.bridgeName, names.link?.hostDevice ?? "", names.link?.innerDevice ?? ""]);
    const used = [...(await usedSubnets(spawner, undefined, ours))];
    if (networkNamespace !== undefined) used.push(...(await usedSubnets(spawner, networkNamespace, ours)));
    const wanted = configuration.subnet ?? "auto";
    const subnet = wanted === "auto" ? (kept ?? chooseSubnet(platform, used)) : configuredSubnet(wanted);
    const needsLink = networkNamespace !== undefined && configuration.egress === "allow";
    const link = needsLink ? (keptLink ?? chooseLinkSubnet(platform, [...used, subnet])) : undefined;
    this.#keep(settingKeys.subnet, subnet);
    if (link !== undefined) this.#keep(settingKeys.link, link);
    return embeddedLayout({ platform, configuration, subnet, link, networkNamespace });
  }

  #keep(key: string, subnet: Subnet): void {
    const { settings } = this.#options;
    const text = subnetText(subnet);
    if (settings.get(key) !== text) settings.set(key, text);
  }

  async #ensureNamespace(name: string): Promise<void> {
    const { settings } = this.#options;
    if (!(await this.#namespaceExists(name))) {
      settings.set(settingKeys.madeNamespace, name);
      await this.#host.require("netns", "add", name);
    }
    await this.#inner.require("link", "set", "dev", "lo", "up");
  }

  async #namespaceExists(name: string): Promise<boolean> {
    return await new IpCommand(this.#options.spawner, name).succeeds("link", "show", "dev", "lo");
  }

  async #ensureBridge(layout: EmbeddedLayout): Promise<void> {
    const { bridgeName, bridgeAlias } = layout;
    const there = (await this.#inner.links()).get(bridgeName);
    if (there !== undefined && there.alias !== bridgeAlias) {
      throw new PlatformError(
        "NETWORK_DEVICE_TAKEN",
        `device ${bridgeName} exists and is not the bridge of this platform`,
        {
          details: { device: bridgeName },
          remedy: "name another bridge for the embedded network, or remove that device",
        },
      );
    }
    if (there === undefined) await this.#makeBridge(layout);
    await this.#sysctl(this.#options.networkNamespace, [
      `net.ipv6.conf.${slashed(bridgeName)}.accept_ra=0`,
      `net.ipv6.conf.${slashed(bridgeName)}.disable_ipv6=1`,
    ]);
    await this.#address(bridgeName, gatewayCidr(layout));
    await this.#inner.require("link", "set", "dev", bridgeName, "up");
  }

  /** Under an unfinished name first: the name and the alias come in one message, as with taps. */
  async #makeBridge({ bridgeName, bridgeAlias, platform }: EmbeddedLayout): Promise<void> {
    const unfinished = `lmnb${shortHash(platform, bridgeName)}`;
    await this.#inner.succeeds("link", "del", "dev", unfinished);
    const settings = ["type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"];
    // Without an address of its own a bridge takes the lowest of its ports, and changes it as ports come and go: under the guests' ARP caches.
    const mac = derivedMac(platform, "embedded", bridgeName);
    await this.#inner.require("link", "add", "name", unfinished, "address", mac, ...settings);
    await this.#inner.require("link", "set", "dev", unfinished, "name", bridgeName, "alias", bridgeAlias);
  }

  async #ensureLink(layout: EmbeddedLayout): Promise<void> {
    const { link } = layout;
    if (link === undefined || layout.networkNamespace === undefined) return;
    const there = (await this.#host.links()).get(link.hostDevice);
    if (there !== undefined && there.alias !== "" && there.alias !== link.alias) {
      throw new PlatformError("NETWORK_DEVICE_TAKEN", `device ${link.hostDevice} exists and belongs to someone else`);
    }
    if (there === undefined) {
      const peer = ["peer", "name", link.innerDevice, "netns", layout.networkNamespace];
      await this.#host.require("link", "add", "name", link.hostDevice, "type", "veth", ...peer);
    }
    await this.#host.require("link", "set", "dev", link.hostDevice, "alias", link.alias, "up");
    await this.#host.require("addr", "replace", `${link.hostAddress}/30`, "dev", link.hostDevice);
    await this.#inner.require("link", "set", "dev", link.innerDevice, "alias", link.alias, "up");
    await this.#inner.require("addr", "replace", `${link.innerAddress}/30`, "dev", link.innerDevice);
    await this.#inner.require("route", "replace", "default", "via", link.hostAddress);
    await this.#host.require("route", "replace", layoutSubnet(layout), "via", link.innerAddress);
  }

  /** The one address of the bridge: another one, of an earlier configuration, goes. */
  async #address(bridgeName: string, wanted: string): Promise<void> {
    const shown = JSON.parse(
      (await this.#inner.require("-json", "-4", "addr", "show", "dev", bridgeName)) || "[]",
    ) as readonly {
      readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
    }[];
    const present = shown
      .flatMap((link) => link.addr_info ?? [])
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    for (const address of present.filter((address) => address !== wanted)) {
      await this.#inner.require("addr", "del", address, "dev", bridgeName);
    }
    if (!present.includes(wanted)) await this.#inner.require("addr", "add", wanted, "dev", bridgeName);
  }

  /**
   * Forwarding is switched on where guests' packets pass, and left on at removal: others may have come to rely on it since.
   * Without egress nothing is switched on.
   */
  async #ensureForwarding(layout: EmbeddedLayout): Promise<void> {
    const forwarding = ["net.ipv4.ip_forward=1"];
    await this.#sysctl(layout.networkNamespace, forwarding);
    if (layout.link !== undefined) await this.#sysctl(undefined, forwarding);
  }

  /** Best effort for what a kernel may lack (`-e`); what matters is seen by whoever uses it. */
  async #sysctl(networkNamespace: string | undefined, assignments: readonly string[]): Promise<void> {
    await runTool(this.#options.spawner, "sysctl", ["-e", "-q", "-w", ...assignments], { networkNamespace });
  }
}

/** In a sysctl's name a dot inside a device's name is written as a slash. */
function slashed(device: string): string {
  return device.replaceAll(".", "/");
}
