/**
 * Changes a kubeconfig file as kubectl does: under its lock, as a whole or not at all, with what was there kept beside it.
 *
 * The lock is client-go's: FILE.lock, made by whoever writes, removed afterwards.
 */
import { chmod, copyFile, mkdir, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

type Environment = Readonly<Record<string, string | undefined>>;

/** The file that kubectl would write to: of several in KUBECONFIG the first that is there, else the last. */
export async function kubeconfigPath(env: Environment): Promise<string> {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  for (const path of listed) if ((await textOf(path)) !== undefined) return path;
  return listed.at(-1) ?? join(env["HOME"] ?? homedir(), ".kube/config");
}

export interface ChangedFile {
  readonly path: string;
  /** What was there before; absent = nothing. */
  readonly backup?: string;
}

/** Nothing is written when `change` throws or changes nothing. STATE_LOCKED while somebody else writes. */
export async function changeKubeconfigFile(path: string, change: (text: string) => string): Promise<ChangedFile> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A link stays one.
  const target = await realpath(path).catch(() => path);
  const lockPath = `${target}.lock`;
  const lock = await open(lockPath, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw unwritable(path, cause);
    throw new PlatformError("STATE_LOCKED", `${path} is being changed by another program`, {
      cause,
      remedy: `try again; if no program is at it, remove ${lockPath}`,
    });
  });
  try {
    const before = await textOf(target);
    const after = change(before ?? "");
    if (after === before) return { path };
    const backup = before === undefined ? undefined : `${target}.lm-backup`;
    if (backup !== undefined) {
      await copyFile(target, backup);
      await chmod(backup, 0o600);
    }
    await writeWhole(target, after, before === undefined ? 0o600 : (await stat(target)).mode & 0o777);
    return { path, ...(backup === undefined ? {} : { backup }) };
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw unwritable(path, error);
  } finally {
    await lock.close();
    await rm(lockPath, { force: true });
  }
}

/** A file of its own, for its owner only. */
export async function writeKubeconfigFile(path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, text, 0o600);
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const staging = `${path}.${process.pid}.new`;
  try {
    const file = await open(staging, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(staging, path);
  } catch (error) {
    await rm(staging, { force: true });
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function unwritable(path: string, cause: unknown): PlatformError {
  return new PlatformError("REQUEST_INVALID", `${path} cannot be written`, {
    cause,
    remedy: "check the path and its permissions",
  });
}
