/** The host's network as configured, with what it must remember kept in the journal. */
import { join } from "node:path";
import type { Clock } from "@liquidmetal/foundation";
import { LinuxHostNetwork } from "@liquidmetal/host-network";
import type { HostNetwork, Journal, Spawner } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/index.ts";
import type { Logger } from "../observability/logger.ts";

export interface NetworkParts {
  readonly config: AgentConfig;
  readonly platform: string;
  readonly journal: Journal;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createNetwork(parts: NetworkParts): HostNetwork {
  const { config, platform, journal, spawner, clock, logger } = parts;
  const { mode, bridgeName, parentInterface, subnet, sharedNetworks, floatingAddresses, isolation, egress, namespace } =
    config.network;
  return new LinuxHostNetwork({
    platform,
    spawner,
    clock,
    settings: { get: (key) => journal.setting(key), set: (key, value) => journal.setSetting(key, value) },
    sharedNetworks,
    isolation: isolation === "cluster",
    ...(namespace === "" ? {} : { networkNamespace: namespace }),
    ...(parentInterface === "" ? {} : { parentInterface }),
    ...(bridgeName === "" || mode === "embedded" ? {} : { bridgeName }),
    ...(mode === "embedded"
      ? {
          embedded: {
            subnet: subnet === "" ? "auto" : subnet,
            egress,
            floatingAddresses,
            // dnsmasq runs as a user of its own and has to reach its reservations: the state directory itself is closed.
            stateDirectory: join(config.runDir, "network"),
            ...(bridgeName === "" ? {} : { bridgeName }),
          },
        }
      : {}),
    report: ({ event, fields }) => logger.info(event, fields),
  });
}
