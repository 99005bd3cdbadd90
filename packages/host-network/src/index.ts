/** Network devices, addresses and the embedded network of one host. */
export type { EmbeddedNetworkConfiguration } from "./embedded-configuration.ts";
export { LinuxHostNetwork, type LinuxHostNetworkOptions } from "./linux-host-network.ts";
export type { NetworkEvent } from "./network-event.ts";
export type { NetworkSettings } from "./settings.ts";
