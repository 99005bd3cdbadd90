/** The configuration file of the platform's flintlockd: its keys are the names of its flags. */
import { join } from "node:path";
import type { PlatformConfiguration } from "./configuration.ts";
import type { PlatformPaths } from "./paths.ts";

/** Keys that hold the platform together, or have a flag of their own at `lm up`. */
export const ownedKeys: readonly string[] = [
  ...["platform-name", "state-dir", "run-dir", "grpc-endpoint", "listen-unix", "enable-http", "http-endpoint"],
  ...["containerd-socket", "network", "network-subnet", "network-egress", "network-namespace", "default-provider"],
  ...["log-output", "config"],
];

/** Networks of pods that the shipped templates of clusters use. */
const podNetworks = "172.25.0.0/16";
/** Endpoints of control planes, at the end of the guests' subnet. */
const endpointAddresses = 16;

/**
 * What clusters on this platform's guests need of its network, unless the user said something else. It stays when the management plane is taken away again: the
 * clusters that it made run on.
 */
export function clusterNetworkSettings({
  managementPlane,
  settings = {},
}: PlatformConfiguration): Readonly<Record<"network-shared" | "network-floating", string | undefined>> {
  const [shared, floating] = managementPlane === undefined ? [] : [podNetworks, String(endpointAddresses)];
  return {
    "network-shared": settings["network-shared"] ?? shared,
    "network-floating": settings["network-floating"] ?? floating,
  };
}

/** YAML; every value is written as JSON, which YAML reads as it stands. */
export function agentConfig(paths: PlatformPaths, configuration: PlatformConfiguration): string {
  const { grpcEndpoint, httpEndpoint, subnet, provider, egress, networkNamespace, containerdSocket } = configuration;
  const entries: Readonly<Record<string, string | boolean | undefined>> = {
    "platform-name": paths.name,
    "state-dir": paths.agentState,
    "run-dir": join(paths.runDirectory, "vm"),
    "grpc-endpoint": grpcEndpoint ?? "",
    "listen-unix": paths.agentSocket,
    "enable-http": httpEndpoint === undefined ? undefined : true,
    "http-endpoint": httpEndpoint,
    "containerd-socket": containerdSocket ?? paths.containerdSocket,
    network: "embedded",
    "network-subnet": subnet,
    "network-egress": egress ? "allow" : "deny",
    "network-namespace": networkNamespace ? paths.networkNamespace : "",
    "default-provider": provider,
    ...configuration.settings,
    ...clusterNetworkSettings(configuration),
  };
  const lines = Object.entries(entries).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`],
  );
  return `# Written by 'lm up'; changes are lost.\n${lines.join("\n")}\n`;
}
