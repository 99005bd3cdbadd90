/**
 * Port: the directories of microVMs on the host, and its adapter over the file system.
 *
 * Leaves are 0700 and belong to the microVM's VMM; the directories above them, up to the state directory, can be passed through by everyone and
 * listed by nobody else (0711), so that a VMM reaches its own and sees no other.
 */
import { chmod, chown, lstat, mkdir, readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";

export interface HostDirectories {
  /** Makes the directory and what is above it. Idempotent. Errors: DISK_FULL, INTERNAL. */
  ensure(path: string, owner?: { readonly uid: number; readonly gid: number }): Promise<Result<void, PlatformError>>;
  /** Whether this file, socket or directory is there. */
  exists(path: string): Promise<boolean>;
  /** Removes the directory with all that is in it, and the directories above it that are empty then. Succeeds when it is gone. */
  remove(path: string): Promise<Result<void, PlatformError>>;
  /** Every directory that belongs, by its place, to a microVM: for the orphan sweep. */
  list(): Promise<Result<readonly { readonly uid: string; readonly path: string }[], PlatformError>>;
}

export interface DirectoryRoots {
  readonly stateDir: string;
  readonly runDir: string;
}

export function createHostDirectories(roots: DirectoryRoots): HostDirectories {
  const vmRoot = join(roots.stateDir, "vm");
  const isRoot = (path: string): boolean => path === vmRoot || path === roots.runDir;
  const belongs = (path: string): boolean => path.startsWith(`${vmRoot}/`) || path.startsWith(`${roots.runDir}/`);

  return {
    ensure: (path, owner) =>
      attempt(async () => {
        assertInside(belongs(path), path);
        await guarded(path, async () => {
          await mkdir(dirname(path), { recursive: true, mode: 0o711 });
          for (let above = dirname(path); above.startsWith(roots.stateDir); above = dirname(above)) await open(above);
          if (path.startsWith(roots.runDir)) await open(roots.runDir);
          await mkdir(path, { recursive: true, mode: 0o700 });
          await chmod(path, 0o700);
          if (owner !== undefined) await chown(path, owner.uid, owner.gid);
        });
      }),
    exists: async (path) =>
      await lstat(path).then(
        () => true,
        () => false,
      ),
    remove: (path) =>
      attempt(async () => {
        assertInside(belongs(path), path);
        await guarded(path, () => rm(path, { recursive: true, force: true }));
        for (let parent = dirname(path); !isRoot(parent) && belongs(parent); parent = dirname(parent)) {
          if (!(await removeIfEmpty(parent))) break;
        }
      }),
    list: () =>
      attempt(async () => {
        const found: { uid: string; path: string }[] = [];
        for (const namespace of await entries(vmRoot)) {
          for (const name of await entries(join(vmRoot, namespace))) {
            for (const uid of await entries(join(vmRoot, namespace, name))) {
              found.push({ uid, path: join(vmRoot, namespace, name, uid) });
            }
          }
        }
        for (const uid of await entries(roots.runDir)) found.push({ uid, path: join(roots.runDir, uid) });
        return found;
      }),
  };
}

/** Lets VMMs, which run as users of their own, pass through a directory; they still cannot list it. */
async function open(path: string): Promise<void> {
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o011) !== 0o011) await chmod(path, mode | 0o011);
}

function assertInside(inside: boolean, path: string): void {
  if (!inside) throw new PlatformError("INTERNAL", `refusing to touch ${path}: it is no directory of a microVM`);
}

async function entries(path: string): Promise<readonly string[]> {
  const found = await readdir(path, { withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

async function removeIfEmpty(path: string): Promise<boolean> {
  return await rmdir(path).then(
    () => true,
    () => false,
  );
}

async function guarded(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const full = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
    throw PlatformError.from(error, full ? "DISK_FULL" : "INTERNAL", path);
  }
}
