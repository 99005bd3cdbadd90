/**
 * The directory `liquidmetal/` of the seed: the same facts as plain lines, for guests without a YAML parser. The format is `docs/guest-contract.md`.
 *
 * One fact a line, words separated by a space, so values with white space or control characters never get in.
 */
import type { MadeInterface, MicroVmSpec } from "@liquidmetal/microvm";
import { isMap, parseYaml } from "./document-text.ts";
import { hostnameOf } from "./instance-data.ts";
import { mountOptions, volumeMounts } from "./volume-mounts.ts";

const keysMax = 256;
const keyBytesMax = 16 * 1024;

export interface PlainFacts {
  readonly spec: MicroVmSpec;
  readonly interfaces: readonly MadeInterface[];
  readonly instance: Readonly<Record<string, string>>;
  /** The user data, when it is text. */
  readonly userData: string | undefined;
}

/** Files by name; a file without content is left out. */
export function plainFiles({ spec, interfaces, instance, userData }: PlainFacts): Readonly<Record<string, string>> {
  const keys = userData === undefined ? [] : authorizedKeys(userData);
  const hostname = instance["local-hostname"] ?? spec.name;
  const files: Record<string, string> = {
    hostname: `${hostnameOf(hostname.split(".", 1)[0] ?? "")}\n`,
    "instance-id": line(instance["instance-id"] ?? ""),
    authorized_keys: keys.map((entry) => `${entry}\n`).join(""),
    network: interfaces.map((made) => `${networkLine(made)}\n`).join(""),
    mounts: mountLines(spec),
    "user-data": userData?.startsWith("#!") === true ? userData : "",
  };
  return Object.fromEntries(Object.entries(files).filter(([, content]) => content !== ""));
}

/** `<mac> dhcp`, or `<mac> static <cidr> [gateway] [dns,dns]` with `-` for a gateway that is not there. */
function networkLine(made: MadeInterface): string {
  const [address] = made.addresses;
  if (made.dhcp || address === undefined) return `${made.guestMac} dhcp`;
  const gateway = made.gateway?.split("/", 1)[0] ?? "-";
  const words = [
    made.guestMac,
    "static",
    address,
    gateway,
    made.nameservers.length === 0 ? "-" : made.nameservers.join(","),
  ];
  while (words.at(-1) === "-") words.pop();
  return words.join(" ");
}

/** `<device or tag> <mount point> <type> <options>`; a mount point with white space cannot be said in lines and is left to cloud-init. */
function mountLines(spec: MicroVmSpec): string {
  return volumeMounts(spec)
    .filter(({ source, mountPoint }) => !/[\s\p{Cc}]/u.test(source + mountPoint))
    .map((mount) => `${mount.source} ${mount.mountPoint} ${mount.type} ${mountOptions(mount)}\n`)
    .join("");
}

/** Keys of a cloud-config: `ssh_authorized_keys` at its top and of its users. User data that is something else, or cannot be read, has none. */
export function authorizedKeys(userData: string): readonly string[] {
  if (!/^#cloud-config/m.test(userData.slice(0, 4_096))) return [];
  const config = readable(userData);
  if (!isMap(config)) return [];
  const users = Array.isArray(config["users"]) ? (config["users"] as readonly unknown[]) : [];
  const lists = [config, ...users.filter(isMap)].flatMap((holder) => [
    holder["ssh_authorized_keys"],
    holder["ssh-authorized-keys"],
  ]);
  const keys = lists
    .flatMap((list) => (Array.isArray(list) ? (list as readonly unknown[]) : [list]))
    .filter((entry) => typeof entry === "string")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "" && entry.length <= keyBytesMax && !/\p{Cc}/u.test(entry));
  return [...new Set(keys)].slice(0, keysMax);
}

/** The user data is the guest's business: what is wrong with it is not said here. */
function readable(userData: string): unknown {
  try {
    return parseYaml("user-data", userData);
  } catch {
    return undefined;
  }
}

function line(text: string): string {
  return `${text.replace(/\p{Cc}+/gu, " ").trim()}\n`;
}
