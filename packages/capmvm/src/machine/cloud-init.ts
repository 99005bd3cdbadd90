/**
 * What the guest's cloud-init gets besides the bootstrap data: vendor-data and meta-data, as upstream's provider writes them.
 *
 * - `users` stands there only when there are keys, and has no entry `default`: the machine has the users that were named and no other, as with
 *   upstream. A list of users in the bootstrap data wins over it (cloud-init merges by key, user-data first).
 * - Upstream relinks /etc/resolv.conf to systemd-resolved's stub in every guest, which cuts off name resolution where that service is not used. Here
 *   the guest relinks it only if the service is enabled.
 * - The keys of meta-data are API for users' templates (`{{ ds.meta_data.vm_host }}`); flintlock adds `instance_id`.
 *
 * Thousands of machines differ in little more than their names, and the YAML library takes its time: what stays the same is rendered once, and names that
 * need no quotes are put in as they are.
 */
import { stringify } from "yaml";
import { metadataKeys, type SshPublicKeys } from "../api/index.ts";

const stubResolver = "/run/systemd/resolve/stub-resolv.conf";

export interface VendorData {
  readonly hostname: string;
  readonly sshPublicKeys: readonly SshPublicKeys[];
}

/** A `#cloud-config` document. */
export function vendorData({ hostname, sshPublicKeys }: VendorData): string {
  const users = sshPublicKeys.map(({ user, authorizedKeys }) => ({ name: user, ssh_authorized_keys: authorizedKeys }));
  const relink = `if systemctl --quiet is-enabled systemd-resolved.service; then ln -sf ${stubResolver} /etc/resolv.conf; fi`;
  const rest = renderedOnce({
    ...(users.length === 0 ? {} : { users }),
    final_message: "The Liquid Metal booted system is good to go after $UPTIME seconds",
    bootcmd: [["sh", "-c", relink]],
  });
  return `#cloud-config\n${texts({ hostname })}${rest}`;
}

export interface MetaData {
  readonly hostname: string;
  readonly endpoint: string;
  readonly identity: string;
}

/** YAML, keys sorted. */
export function metaData({ hostname, endpoint, identity }: MetaData): string {
  return texts({
    [metadataKeys.localHostname]: hostname,
    [metadataKeys.machineIdentity]: identity,
    [metadataKeys.platform]: "liquid_metal",
    [metadataKeys.vmHost]: endpoint,
  });
}

/** The machine's own list, if it has one, replaces the cluster's. */
export function keysOf(
  ofMachine: readonly SshPublicKeys[] | undefined,
  ofCluster: readonly SshPublicKeys[] | undefined,
): readonly SshPublicKeys[] {
  const keys = ofMachine !== undefined && ofMachine.length > 0 ? ofMachine : ofCluster;
  return keys ?? [];
}

/** One line a value however long: keys are not folded. */
function yaml(value: object): string {
  return stringify(value, { lineWidth: 0 });
}

/** Different lists of users that are remembered. */
const renderedMax = 64;
const rendered = new Map<string, string>();

function renderedOnce(value: object): string {
  const key = JSON.stringify(value);
  const known = rendered.get(key);
  if (known !== undefined) return known;
  if (rendered.size >= renderedMax) rendered.clear();
  const text = yaml(value);
  rendered.set(key, text);
  return text;
}

/** Names that no reader of YAML takes for anything but text: of objects, uids, `host:port`. */
const plainName =
  /^(?!(?:null|true|false)$)(?:[a-z](?:[a-z0-9-]*[a-z0-9])?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]+(?:\.[0-9]+){3}:[0-9]+)$/;

/** A map of texts, written exactly as the library writes it. */
function texts(map: Readonly<Record<string, string>>): string {
  const entries = Object.entries(map);
  if (!entries.every(([, value]) => plainName.test(value))) return yaml(map);
  return entries.map(([name, value]) => `${name}: ${value}\n`).join("");
}
