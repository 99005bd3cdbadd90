/** Flintlock hosts, as capmvm sees and reaches them. */
export type * from "./host.ts";
export { identityKey, identityLabel } from "./identity.ts";
export { type OpenHostsOptions, openHosts } from "./open-hosts.ts";
