/**
 * The programs of the management plane, in the state directory: what runs must not vanish with a cache that is tidied up.
 *
 * Each lies in a folder named after what it was compiled from, so that another version is another program, and what runs is replaced in order.
 */
import { constants } from "node:fs";
import { access, copyFile, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** What the plane runs, and the tools that speak with it. */
export const planePrograms = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "cluster-api-controller",
  "kubeadm-bootstrap-controller",
  "kubeadm-control-plane-controller",
  "kubectl",
  "clusterctl",
] as const;
export type PlaneProgram = (typeof planePrograms)[number];
/** Paths. */
export type PlanePrograms = Readonly<Record<PlaneProgram, string>>;

/** Paths below `directory`. `compiled`: as `managementPrograms` gives them. */
export async function installPrograms(directory: string, compiled: PlanePrograms): Promise<PlanePrograms> {
  const installed: Partial<Record<PlaneProgram, string>> = {};
  for (const name of planePrograms) installed[name] = await install(directory, name, compiled[name]);
  return installed as PlanePrograms;
}

export async function allThere(programs: Readonly<Record<string, string>>): Promise<boolean> {
  const names = planePrograms.map((name) => programs[name]);
  return (await Promise.all(names.map((file) => file !== undefined && isThere(file)))).every((each) => each);
}

/** Removes every folder of programs that none of these is in. */
export async function removeOtherPrograms(directory: string, programs: PlanePrograms): Promise<void> {
  const kept = new Set(Object.values(programs).map((file) => basename(dirname(file))));
  const folders = await readdir(directory).catch(() => []);
  for (const folder of folders) {
    if (!kept.has(folder)) await rm(join(directory, folder), { recursive: true, force: true });
  }
}

async function install(directory: string, name: string, source: string): Promise<string> {
  const folder = join(directory, basename(dirname(source)).slice(0, 16));
  const target = join(folder, name);
  if (await isThere(target)) return target;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${target}.${process.pid}.new`;
  await rm(draft, { force: true });
  try {
    // The same file where it can be, else a copy that shares its blocks where the file system can do that.
    await link(source, draft).catch(() => copyFile(source, draft, constants.COPYFILE_FICLONE));
    await rename(draft, target);
    return target;
  } finally {
    // On a full disk a part of it would stay.
    await rm(draft, { force: true });
  }
}

function isThere(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
