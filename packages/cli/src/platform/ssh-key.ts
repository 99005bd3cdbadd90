/** The key pair of the local platform: made on first use, kept in its state directory, never leaving it. */
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import type { Session } from "../program/session.ts";
import { localPaths } from "./paths.ts";

const run = promisify(execFile);

export interface PlatformKey {
  readonly privateKeyPath: string;
  readonly publicKey: string;
  readonly knownHostsPath: string;
}

export async function platformKey(session: Session): Promise<PlatformKey> {
  const directory = localPaths(session).sshDirectory;
  const privateKeyPath = join(directory, "id_ed25519");
  const key = { privateKeyPath, knownHostsPath: join(directory, "known_hosts") };
  const existing = await readFile(`${privateKeyPath}.pub`, "utf8").catch(() => undefined);
  if (existing !== undefined) return { ...key, publicKey: existing };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "liquidmetal", "-f", privateKeyPath], {
      timeout: 20_000,
    });
    return { ...key, publicKey: await readFile(`${privateKeyPath}.pub`, "utf8") };
  } catch (cause) {
    throw new PlatformError("UNAVAILABLE", `the platform's ssh key cannot be made in ${directory}`, {
      cause,
      remedy: "run this as root on the platform's machine, with the package openssh-client installed",
    });
  }
}
