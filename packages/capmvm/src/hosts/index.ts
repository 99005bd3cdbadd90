/** Flintlock hosts, as capmvm sees and reaches them. */
export type * from "./host.ts";
export { HostAccesses } from "./host-accesses.ts";
export { openHosts } from "./open-hosts.ts";
export { secretReader } from "./secret-reader.ts";
