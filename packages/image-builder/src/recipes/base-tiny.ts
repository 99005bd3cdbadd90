/**
 * `base/tiny`: the smallest root volume that a person can log in to: busybox, dropbear, and our own init (`guest/tiny`).
 *
 * A merged-/usr tree. It carries no host key and no account with a password; root logs in by key. The kernel's modules come from the initrd.
 */
import { basename, join } from "node:path";
import { sharedLibrariesOf } from "../debian/shared-libraries.ts";
import { findFile, packageNamed, type UnpackedPackage } from "../debian/unpacking.ts";
import type { AssembleContext, AssembledImage, Recipe } from "../recipe.ts";
import { runTool } from "../system-tool.ts";
import { FileTree } from "../tree/file-tree.ts";
import { addHostFile } from "../tree/host-files.ts";

const version = "0.1.0";

/** Where each of our programs goes. */
const guestPrograms: Readonly<Record<string, string>> = {
  init: "usr/sbin/init",
  network: "usr/lib/liquidmetal/network",
  dhcp: "usr/lib/liquidmetal/dhcp",
  agent: "usr/lib/liquidmetal/agent",
  console: "usr/lib/liquidmetal/console",
  "user-data": "usr/lib/liquidmetal/user-data",
  shutdown: "usr/lib/liquidmetal/shutdown",
};

const etc: Readonly<Record<string, string>> = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  group: "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
  shells: "/bin/sh\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
  profile: "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\u@\\h:\\w\\$ '\n",
  hosts: "127.0.0.1 localhost\n::1 localhost\n",
  hostname: "tiny\n",
  "os-release": `NAME="Liquid Metal tiny"\nID=liquidmetal-tiny\nVERSION_ID=${version}\nPRETTY_NAME="Liquid Metal tiny ${version}"\n`,
};

const directories = "dev mnt proc run srv sys usr/local/bin var/empty var/lib/liquidmetal var/log".split(" ");

export const baseTiny: Recipe = {
  name: "base/tiny",
  title: "The smallest root volume for microVMs",
  revision: 1,
  settings: { version, etc, directories, guestPrograms },
  architectures: ["amd64"],
  packages: [["busybox-static", "dropbear-bin"]],
  needs: () => true,
  guestFiles: ["tiny"],
  assemble,
};

async function assemble(context: AssembleContext): Promise<AssembledImage> {
  const { packages, guestDirectory } = context;
  const tree = new FileTree();
  for (const name of ["bin", "sbin", "lib", "lib64"]) tree.symlink(name, `usr/${name}`).directory(`usr/${name}`);
  for (const directory of directories) tree.directory(directory);
  tree.directory("root", { mode: 0o700 }).directory("tmp", { mode: 0o1777 });
  for (const [name, text] of Object.entries(etc)) tree.file(`etc/${name}`, text);
  // Locked: no password opens it, a key does.
  tree.file("etc/shadow", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", { mode: 0o600 });
  tree
    .symlink("etc/resolv.conf", "/run/resolv.conf")
    .symlink("etc/mtab", "/proc/self/mounts")
    .symlink("var/run", "/run");
  tree.symlink("etc/inittab", "/run/liquidmetal/inittab");
  await addBusybox(tree, packages, context.signal);
  await addDropbear(tree, packages);
  for (const [name, path] of Object.entries(guestPrograms)) {
    await addHostFile(tree, path, join(guestDirectory, "tiny", name), 0o755);
  }
  await addHostFile(tree, "usr/lib/liquidmetal/guest.sh", join(guestDirectory, "tiny/guest.sh"), 0o644);
  for (const call of ["poweroff", "reboot", "halt"]) tree.symlink(`usr/sbin/${call}`, "../lib/liquidmetal/shutdown");
  tree.symlink("etc/acpi/PWRF/00000080", "/usr/sbin/poweroff");
  return {
    tree,
    version,
    labels: {
      "dev.liquidmetal.ready": "virtio-serial:dev.liquidmetal.agent.0",
      "dev.liquidmetal.ready.console": "liquidmetal: ready",
      "dev.liquidmetal.login.user": "root",
      "dev.liquidmetal.memory.minimum-mib": "64",
    },
    command: ["/sbin/init"],
    environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
  };
}

/** busybox, and a link for each of its applets that nothing else provides. */
async function addBusybox(tree: FileTree, packages: readonly UnpackedPackage[], signal?: AbortSignal): Promise<void> {
  const busybox = await findFile([packageNamed(packages, "busybox-static")], /^(usr\/)?bin\/busybox$/);
  await addHostFile(tree, "usr/bin/busybox", busybox.hostPath, 0o755);
  // Static and of this architecture: the packages are the host's own.
  const list = await runTool(busybox.hostPath, ["--list"], signal === undefined ? {} : { signal });
  const ours = ["busybox", "init", "poweroff", "reboot", "halt"];
  for (const applet of list.toString().split("\n")) {
    if (applet !== "" && !ours.includes(applet)) tree.symlink(`usr/bin/${applet}`, "busybox");
  }
}

async function addDropbear(tree: FileTree, packages: readonly UnpackedPackage[]): Promise<void> {
  const owner = [packageNamed(packages, "dropbear-bin")];
  const server = await findFile(owner, /^usr\/sbin\/dropbear$/);
  const keys = await findFile(owner, /^usr\/bin\/dropbearkey$/);
  for (const { path, hostPath } of [server, keys]) await addHostFile(tree, path, hostPath);
  const { interpreter, libraries } = await sharedLibrariesOf([server.hostPath, keys.hostPath], packages);
  if (interpreter !== undefined) await addHostFile(tree, usrMerged(interpreter.path), interpreter.file, 0o755);
  for (const [name, file] of libraries) await addHostFile(tree, `usr/lib/${basename(name)}`, file, 0o644);
}

/** `/lib…`, `/bin`, `/sbin` are links into `/usr` here: a file put at the old path would replace the link by a directory. */
const usrMerged = (path: string): string => path.replace(/^\/?(bin|sbin|lib|lib64)\//, "usr/$1/");
