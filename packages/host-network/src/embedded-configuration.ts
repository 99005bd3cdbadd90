/** What the embedded network is to be: configuration as given, and the layout that follows from it. */
import { PlatformError } from "@liquidmetal/foundation";
import { checkPlatform, shortHash } from "./device-identity.ts";
import { ipv4Text, parseSubnet, type Subnet, subnetSize, subnetText } from "./ip-address.ts";

export interface EmbeddedNetworkConfiguration {
  /** CIDR from /16 to /29, or `auto`: a /24 that this host does not use, chosen once and kept. Default `auto`. */
  readonly subnet?: string;
  /** Whether guests reach the world beyond the bridge. Default `deny`. */
  readonly egress?: "allow" | "deny";
  /** At most 15 bytes. Default `lmbr` and a hash of the platform's name. */
  readonly bridgeName?: string;
  /** Guests are `<name>.<namespace>.<domain>`. Default `lm.internal`. */
  readonly domain?: string;
  /** Guests reach the bridge, and not each other. Default false. */
  readonly isolateGuests?: boolean;
  /** So many addresses at the end of the subnet are leased to nobody, and any guest may use them: they move between guests. Default 0; at most half of the subnet. */
  readonly floatingAddresses?: number;
  /** Directory for DHCP reservations, names and leases; made when missing. dnsmasq's user has to be able to search its parents. */
  readonly stateDirectory: string;
  /** Program. Default `dnsmasq`. */
  readonly dnsmasqProgram?: string;
}

export interface EmbeddedLayout {
  readonly platform: string;
  readonly subnet: Subnet;
  /** First address of the subnet: the bridge's, and with it gateway and name server. */
  readonly gateway: string;
  readonly bridgeName: string;
  readonly bridgeAlias: string;
  readonly egress: boolean;
  readonly isolateGuests: boolean;
  /** At the end of the subnet, before the broadcast address. */
  readonly floatingAddresses: number;
  readonly domain: string;
  readonly stateDirectory: string;
  readonly dnsmasqProgram: string;
  readonly networkNamespace?: string;
  /** Present when guests live in a namespace and may reach the world: a link from there to the host. */
  readonly link?: EmbeddedLink;
}

export interface EmbeddedLink {
  readonly subnet: Subnet;
  readonly hostDevice: string;
  readonly innerDevice: string;
  readonly hostAddress: string;
  readonly innerAddress: string;
  readonly alias: string;
}

const deviceName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
const domainName = /^(?=.{1,180}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/;

/** Checks what the user configured. Throws CONFIG_INVALID naming the key. */
export function checkConfiguration(configuration: EmbeddedNetworkConfiguration): void {
  const { subnet = "auto", bridgeName, domain } = configuration;
  if (bridgeName !== undefined && !deviceName.test(bridgeName)) {
    throw new PlatformError(
      "CONFIG_INVALID",
      `bridge name ${JSON.stringify(bridgeName)}: 1 to 15 letters, digits, dots and hyphens`,
    );
  }
  if (domain !== undefined && !domainName.test(domain)) {
    throw new PlatformError("CONFIG_INVALID", `domain ${JSON.stringify(domain)} is no DNS domain in lower case`);
  }
  if (subnet !== "auto") configuredSubnet(subnet);
}

export function configuredSubnet(text: string): Subnet {
  const subnet = parseSubnet(text);
  if (subnet === undefined || subnet.prefixLength < 16 || subnet.prefixLength > 29) {
    throw new PlatformError(
      "CONFIG_INVALID",
      `subnet ${JSON.stringify(text)}: an IPv4 network from /16 to /29 is wanted, or 'auto'`,
    );
  }
  return subnet;
}

export function defaultBridgeName(platform: string): string {
  return `lmbr${shortHash(platform, "bridge")}`;
}

export function embeddedLayout(options: {
  readonly platform: string;
  readonly configuration: EmbeddedNetworkConfiguration;
  readonly subnet: Subnet;
  readonly link?: Subnet | undefined;
  readonly networkNamespace?: string | undefined;
}): EmbeddedLayout {
  const { configuration, subnet, link, networkNamespace } = options;
  const platform = checkPlatform(options.platform);
  return {
    platform,
    subnet,
    gateway: ipv4Text(subnet.base + 1),
    bridgeName: configuration.bridgeName ?? defaultBridgeName(platform),
    bridgeAlias: `liquidmetal:${platform}:embedded/bridge`,
    egress: configuration.egress === "allow",
    isolateGuests: configuration.isolateGuests ?? false,
    floatingAddresses: Math.min(configuration.floatingAddresses ?? 0, Math.floor(subnetSize(subnet) / 2)),
    domain: configuration.domain ?? "lm.internal",
    stateDirectory: configuration.stateDirectory,
    dnsmasqProgram: configuration.dnsmasqProgram ?? "dnsmasq",
    ...(networkNamespace === undefined ? {} : { networkNamespace }),
    ...(link === undefined ? {} : { link: linkLayout(platform, link) }),
  };
}

function linkLayout(platform: string, subnet: Subnet): EmbeddedLink {
  const hash = shortHash(platform, "link");
  return {
    subnet,
    hostDevice: `lmvh${hash}`,
    innerDevice: `lmvn${hash}`,
    hostAddress: ipv4Text(subnet.base + 1),
    innerAddress: ipv4Text(subnet.base + 2),
    alias: `liquidmetal:${platform}:embedded/link`,
  };
}

export function gatewayCidr(layout: EmbeddedLayout): string {
  return `${layout.gateway}/${layout.subnet.prefixLength}`;
}

/** Addresses that move between guests, as nftables writes a range; undefined where there are none. */
export function floatingRange({ subnet, floatingAddresses: count }: EmbeddedLayout): string | undefined {
  if (count === 0) return undefined;
  const last = subnet.base + subnetSize(subnet) - 2;
  return `${ipv4Text(last - count + 1)}-${ipv4Text(last)}`;
}

/** For people and facts: `172.30.7.0/24`. */
export function layoutSubnet(layout: EmbeddedLayout): string {
  return subnetText(layout.subnet);
}
