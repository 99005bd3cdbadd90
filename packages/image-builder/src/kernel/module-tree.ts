/**
 * Kernel modules for a root volume: the wanted ones of a distribution's kernel with all that they depend on, and the indexes that `modprobe`,
 * systemd and kubeadm read. Those are written by the machine's own depmod, over exactly the modules that are there.
 *
 * Modules are taken byte for byte (their signatures stay), only an `.xz` or `.zst` around them stays too where the distribution has it.
 */
import { copyFile, link, mkdir } from "node:fs/promises";
import { dirname, join, matchesGlob } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Input } from "../steps/input.ts";
import { runTool } from "../system-tool.ts";
import { FileTree } from "../tree/file-tree.ts";
import { addHostFile, walk } from "../tree/host-files.ts";
import type { KernelFiles } from "./distro-kernel.ts";
import { indexModules, moduleClosure } from "./modules.ts";
import { toolInput } from "./tool-input.ts";

/**
 * What a Kubernetes node asks a kernel for, as globs of paths below `lib/modules/<release>/kernel`: pod networks and their filters, file systems of
 * volumes, device mapper. Drivers of hardware that no microVM has are left out: 40 MB instead of 90.
 */
export const nodeModules: readonly string[] = [
  "net/{802,8021q,bridge,core,dns_resolver,ipv4,ipv6,key,llc,mpls,netfilter,netlink,nsh,openvswitch,packet,psample,sched,sctp,tls,unix,vmw_vsock,xdp,xfrm}/**",
  "net/sunrpc/{sunrpc.ko,auth_gss/**}",
  "drivers/net/{dummy,geneve,ifb,macsec,macvlan,macvtap,nlmon,tap,tun,veth,virtio_net,vrf}.ko",
  "drivers/net/{bonding,ipvlan,team,vxlan,wireguard}/**",
  "drivers/block/{loop,nbd,rbd,virtio_blk}.ko",
  "drivers/md/dm-{crypt,integrity,mirror,mod,multipath,snapshot,thin-pool,verity,zero}.ko",
  "drivers/{virtio,ptp}/**",
  "drivers/char/hw_random/virtio-rng.ko",
  "fs/*.ko",
  "fs/{autofs,ceph,configfs,erofs,fat,fuse,isofs,lockd,nfs,nfs_common,overlayfs,quota,squashfs,xfs}/**",
  "fs/nls/nls_{ascii,cp437,iso8859-1,utf8}.ko",
  "crypto/*.ko",
  "arch/*/crypto/**",
  "lib/**",
];

export interface ModuleTreeOptions {
  /** Globs of paths below `lib/modules/<release>/kernel`; `**` is everything. One that no module matches fails the build, except in the default list. */
  readonly select: readonly string[];
  /** Where the tree has the release's directory: `usr/lib/modules` in a merged-/usr tree, else `lib/modules`. */
  readonly directory: string;
  /** Empty; the tree's files stay there until it is packed. */
  readonly workDirectory: string;
  readonly signal?: AbortSignal;
}

/** Errors: IMAGE_BUILD_FAILED (a glob matches nothing, a dependency is missing), TOOL_MISSING (depmod). */
export async function moduleTree(files: KernelFiles, options: ModuleTreeOptions): Promise<FileTree> {
  const { select, workDirectory, signal } = options;
  const cancel = signal === undefined ? {} : { signal };
  const index = await indexModules(files.modules);
  const chosen = chooseModules(
    [...index.files].map(([name, { path }]) => ({ name, path })),
    select,
  );
  const closure = await moduleClosure(
    index,
    chosen.map((name) => ({ name, required: true })),
  );
  const target = join(workDirectory, "lib/modules", files.release);
  for (const { name } of closure) {
    signal?.throwIfAborted();
    const hostPath = index.files.get(name)?.hostPath;
    if (hostPath !== undefined) await place(hostPath, join(target, hostPath.slice(files.modules.length + 1)));
  }
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
    // Kernels before 5.2 have no modules.builtin.modinfo.
    await place(join(files.modules, name), join(target, name)).catch(absentIsFine);
  }
  await runTool("depmod", ["--basedir", workDirectory, files.release], {
    environment: administratorsPath(),
    ...cancel,
  });
  // kubeadm asks for the kernel's configuration, and this is one of the places where it looks.
  await place(files.config, join(target, "config"));
  const tree = new FileTree();
  for await (const { path, hostPath, stats } of walk(target)) {
    if (stats.isFile()) await addHostFile(tree, `${options.directory}/${files.release}/${path}`, hostPath, 0o644);
  }
  return tree;
}

/** Names of the modules that match, in the order of their paths: the same list gives the same tree. */
export function chooseModules(
  modules: readonly { readonly name: string; readonly path: string }[],
  select: readonly string[],
): readonly string[] {
  const sorted = [...modules].sort((a, b) => (a.path < b.path ? -1 : 1));
  const below = (path: string): string => path.replace(/^kernel\//, "");
  const idle =
    select === nodeModules ? [] : select.filter((glob) => !sorted.some(({ path }) => matchesGlob(below(path), glob)));
  if (idle.length > 0) {
    throw new PlatformError("IMAGE_BUILD_FAILED", `this kernel has no module that matches ${idle.join(", ")}`, {
      remedy: "name paths below lib/modules/<release>/kernel, as in net/bridge/** or drivers/net/veth.ko",
      details: { globs: idle.join(" ") },
    });
  }
  return sorted.filter(({ path }) => select.some((glob) => matchesGlob(below(path), glob))).map(({ name }) => name);
}

/** Whose indexes they are. */
export const depmodInput = (signal?: AbortSignal): Promise<Input> =>
  toolInput("depmod", ["--version"], { environment: administratorsPath(), ...(signal && { signal }) });

/** depmod lies where the PATH of an ordinary user does not look. */
const administratorsPath = (): { readonly PATH: string } => ({ PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  // The same file system as a rule: then nothing is copied.
  await link(from, to).catch(() => copyFile(from, to));
}

function absentIsFine(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}
