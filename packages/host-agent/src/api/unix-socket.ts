/** Unix sockets to listen on: a stale one is removed, a live one is somebody else's, the new one is for its owner alone. */
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

/** Makes way for a new socket at `path`. Throws CONFIG_INVALID when a server answers there, or when it is no socket. */
export async function claimSocketPath(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const existing = await lstat(path).catch(() => undefined);
  if (existing === undefined) return;
  if (!existing.isSocket()) throw new PlatformError("CONFIG_INVALID", `${path} exists and is no socket`);
  if (await answers(path)) throw new PlatformError("CONFIG_INVALID", `another server listens on ${path} already`);
  await rm(path, { force: true });
}

/** Until this is done only the process's umask protects it, which on any usual system denies others to connect. */
export async function protectSocket(path: string): Promise<void> {
  await chmod(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
