/** Flintlock hosts, as capmvm sees and reaches them. */
export { accessSecretsOf } from "./access-of.ts";
export type * from "./host.ts";
export { HostAccesses, type HostAccessesOptions } from "./host-accesses.ts";
export { identityKey, identityLabel } from "./identity.ts";
export { type OpenHostsOptions, openHosts } from "./open-hosts.ts";
export { type SecretContent, type SecretReader, secretReader } from "./secret-reader.ts";
