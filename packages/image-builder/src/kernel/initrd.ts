/** The initrd of a distribution's kernel: busybox, our init, and the modules without which it finds no root volume. */
import { FileTree } from "../tree/file-tree.ts";
import { type KernelModule, modulesDep } from "./modules.ts";

export interface InitrdParts {
  /** As `uname -r` says. */
  readonly release: string;
  /** A static busybox on this machine. */
  readonly busybox: { readonly file: string; readonly sizeBytes: number };
  /** The text of /init. */
  readonly init: string;
  /** In the order to load them. */
  readonly modules: readonly KernelModule[];
}

/** What /init calls; each is a link to busybox. */
const applets = "cat findfs insmod ls lsmod mkdir modprobe mount sh switch_root tr umount usleep".split(" ");

export function initrdTree(parts: InitrdParts): FileTree {
  const tree = new FileTree();
  for (const directory of ["dev", "new", "proc", "sys"]) tree.directory(directory);
  // The kernel opens it for init before devtmpfs is there.
  tree.characterDevice("dev/console", 5, 1);
  tree.file("bin/busybox", parts.busybox, { mode: 0o755 });
  for (const applet of applets) tree.symlink(`bin/${applet}`, "busybox");
  tree.file("init", parts.init, { mode: 0o755 });
  const directory = `lib/modules/${parts.release}`;
  for (const { path, bytes } of parts.modules) tree.file(`${directory}/${path}`, { bytes });
  tree.file(`${directory}/modules.dep`, `${modulesDep(parts.modules)}\n`);
  const lines = parts.modules.map(({ path, condition = "" }) => `/${directory}/${path} ${condition}`.trimEnd());
  tree.file("etc/modules", `${lines.join("\n")}\n`);
  return tree;
}
