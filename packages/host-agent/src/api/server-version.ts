/**
 * The version that `ServerInfo` announces: that of the flintlock API, with our own as build metadata.
 *
 * Clients (battery) refuse hosts below 0.15.2 by semantic versioning, in which build metadata does not count.
 */
const flintlockApiVersion = "0.16.0";

export function announcedVersion(ownVersion: string): string {
  const own = ownVersion.replace(/[^0-9A-Za-z.-]/g, "-");
  return own === "" ? `v${flintlockApiVersion}` : `v${flintlockApiVersion}+liquidmetal.${own}`;
}
