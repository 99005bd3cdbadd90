/**
 * A guest of 2 MB for tests: busybox and a handful of modules, with an init that behaves like a guest with an agent.
 *
 * It says ready on the agent's port (or, with `test.mark` on the kernel command line, by the mark on its console), takes `{"command":"shutdown"}` from that
 * port and the ACPI power button (unless `test.deaf` is given), and obeys commands on its console, one a line:
 * `poweroff`, `reboot`, `panic`, `echo TEXT`, `blocks`, `report ADDRESS`. `test.address=10.0.0.5/24` configures eth0. `test.silent` never says ready.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type ArchiveEntry, writeCpio } from "./cpio.ts";
import { assetsFolder, type TestKernel } from "./kernel.ts";

/** In the order in which they are loaded. */
const modules = [
  "failover",
  "net_failover",
  "virtio_ring",
  "virtio",
  "virtio_mmio",
  "virtio_blk",
  "virtio_net",
  "virtio_console",
  "virtio-rng",
  "virtio_balloon",
  "button",
  "evdev",
];

const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in ${modules.join(" ")}; do insmod /modules/$m.ko; done
has() { grep -qw "$1" /proc/cmdline; }
port=
for name in /sys/class/virtio-ports/*/name; do
  [ -e "$name" ] || continue
  [ "$(cat $name)" = dev.liquidmetal.agent.0 ] && port=/dev/$(basename $(dirname $name))
done
[ -n "$port" ] && exec 3<>$port
say() { if [ -n "$port" ]; then echo "$1" >&3; fi; }
address=$(sed -n 's/.*test.address=\\([0-9./]*\\).*/\\1/p' /proc/cmdline)
ip link set lo up
[ -n "$address" ] && ip addr add $address dev eth0 && ip link set eth0 up
plain=\${address%/*}
if ! has test.deaf; then
  [ -n "$port" ] && (while :; do while read -r line <&3; do case "$line" in *shutdown*) echo "shutdown asked by agent"; poweroff -f;; *status*) say "{\\"event\\":\\"ready\\",\\"addresses\\":[\\"\${plain:-10.0.0.5}\\"]}";; esac; done; sleep 0.2; done) &
  for event in /dev/input/event*; do
    [ -e "$event" ] && (dd if=$event of=/dev/null bs=24 count=1 2>/dev/null; echo "shutdown asked by power button"; poweroff -f) &
  done
fi
if has test.silent; then :
elif has test.mark; then echo "liquidmetal: ready addresses=\${plain:-10.0.0.5}"
else say "{\\"event\\":\\"ready\\",\\"addresses\\":[\\"\${plain:-10.0.0.5}\\"]}"; fi
stty -echo 2>/dev/null
echo "init: obeying"
while read -r word rest; do
  case "$word" in
    poweroff) poweroff -f ;;
    reboot) reboot -f ;;
    panic) echo c > /proc/sysrq-trigger ;;
    echo) echo "said: $rest" ;;
    blocks) for b in /sys/block/vd*; do echo "block $(basename $b) $(cat $b/size) ro=$(cat $b/ro)"; done; echo "blocks done" ;;
    report) say "{\\"event\\":\\"addresses\\",\\"addresses\\":[\\"$rest\\"]}" ;;
  esac
done
echo "init: console closed"
sleep 1000
`;

/** Path of the initrd for this kernel; built when it is not there or was built from another init. */
export function testInitrd(kernel: TestKernel): string {
  const digest = createHash("sha256").update(init).update(kernel.version).digest("hex").slice(0, 12);
  const path = join(assetsFolder, `test-initrd-${digest}.cpio.gz`);
  if (existsSync(path)) return path;
  const folders = ["bin", "proc", "sys", "dev", "modules"].map(
    (name): ArchiveEntry => ({ path: name, mode: 0o040755 }),
  );
  const found = new Map(moduleFiles(join(kernel.modulesPath, "kernel")).map((file) => [basename(file, ".ko"), file]));
  const moduleEntries = modules.map((name): ArchiveEntry => {
    const file = found.get(name);
    if (file === undefined) throw new Error(`the kernel ${kernel.version} has no module ${name}`);
    return { path: `modules/${name}.ko`, content: readFileSync(file), mode: 0o100644 };
  });
  const archive = writeCpio([
    ...folders,
    { path: "bin/busybox", content: readFileSync("/bin/busybox"), mode: 0o100755 },
    { path: "init", content: Buffer.from(init), mode: 0o100755 },
    ...moduleEntries,
  ]);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, gzipSync(archive));
  renameSync(draft, path);
  return path;
}

function moduleFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((entry) => entry.endsWith(".ko"))
    .map((entry) => join(folder, entry));
}
