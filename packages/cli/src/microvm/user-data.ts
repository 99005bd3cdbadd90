/** Cloud-init user data: the user's own file, and ssh keys put into it where it is a cloud-config. */
import { PlatformError } from "@liquidmetal/foundation";

const cloudConfigHeader = "#cloud-config";
const keyPattern =
  /^(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/=]+( .*)?$/;

/** User data with these keys allowed for the default user and root. `undefined` when there is neither. Throws REQUEST_INVALID. */
export async function userDataWith(userData: string | undefined, keys: readonly string[]): Promise<string | undefined> {
  if (keys.length === 0) return userData;
  const { parseDocument, stringify } = await import("yaml");
  if (userData === undefined) {
    return `${cloudConfigHeader}\n${stringify({ disable_root: false, ssh_authorized_keys: keys }, { lineWidth: 0 })}`;
  }
  const firstLine = userData.split("\n", 1)[0]?.trim();
  if (firstLine !== cloudConfigHeader) {
    throw invalid(
      `--ssh-key needs user data that is a ${cloudConfigHeader}; this one begins with '${firstLine?.slice(0, 40)}'`,
      `put the program under 'runcmd' of a ${cloudConfigHeader}, or let it write the key itself and leave --ssh-key out`,
    );
  }
  const document = parseDocument(userData);
  const content: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (document.errors.length > 0 || typeof content !== "object" || Array.isArray(content)) {
    throw invalid(`the user data is not a YAML mapping: ${document.errors[0]?.message ?? "it is something else"}`);
  }
  const existing: unknown = document.get("ssh_authorized_keys", false);
  const present: readonly unknown[] = isSequence(existing) ? existing.toJSON() : [];
  document.set("ssh_authorized_keys", [...new Set([...present.map(String), ...keys])]);
  return document.toString({ lineWidth: 0 });
}

/** The public keys in `text` (a literal, or the content of a file), one a line. Throws REQUEST_INVALID; a private key is refused without being shown. */
export function publicKeys(text: string, source: string): readonly string[] {
  if (text.includes("PRIVATE KEY")) throw invalid(`${source} is a private key: name the .pub file`);
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) throw invalid(`${source} holds no ssh public key`);
  for (const key of keys) if (!keyPattern.test(key)) throw invalid(`${source} is not an ssh public key`);
  return keys;
}

export function looksLikeKey(text: string): boolean {
  return keyPattern.test(text.trim());
}

function isSequence(value: unknown): value is { toJSON(): readonly unknown[] } {
  return typeof value === "object" && value !== null && "items" in value && "toJSON" in value;
}

function invalid(message: string, remedy = "see 'lm vm create --help'"): PlatformError {
  return new PlatformError("REQUEST_INVALID", message, { remedy });
}
