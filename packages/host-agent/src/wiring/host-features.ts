/** Devices and hierarchies that this host has, for facts and schedulers. Cheap checks of presence; `lm doctor` looks deeper. */
import { access, constants, readFile } from "node:fs/promises";

export async function detectHostFeatures(): Promise<Readonly<Record<string, boolean>>> {
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  const unified = / \/sys\/fs\/cgroup cgroup2 /.test(mounts);
  return {
    "cgroup-v2": unified,
    "cgroup-v1": /^\S+ \S+ cgroup /m.test(mounts),
    "kvm-device": await usable("/dev/kvm"),
    "vhost-vsock": await usable("/dev/vhost-vsock"),
    "vhost-net": await usable("/dev/vhost-net"),
    vfio: await usable("/dev/vfio/vfio"),
  };
}

async function usable(path: string): Promise<boolean> {
  return await access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}
