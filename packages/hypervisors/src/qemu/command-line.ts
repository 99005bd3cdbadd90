/**
 * QEMU's command line for one microVM on the `microvm` machine. The same machine gives the same text.
 *
 * Transports: the machine has 24 virtio-mmio slots. Linux finds them from the highest to the lowest, so devices are placed downwards from slot 23 and the
 * first disk is /dev/vda, the first interface eth0. Slot 0 never gets an interrupt with `acpi=on` (QEMU 7.2) and is left empty.
 *
 * Disks: `cache.direct=off` with flushes honoured (write-back): the host's page cache serves many guests from one base image, and what a guest has flushed is on
 * disk. Image locking is on, so that no second VMM can open a disk for writing; discards go through to the file.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { Machine, MadeInterface, MadeVolume } from "@liquidmetal/microvm";
import { kernelArguments } from "../boot/kernel-arguments.ts";
import type { TscRate } from "../boot/tsc.ts";
import type { QemuPaths } from "./paths.ts";

export interface QemuPlatform {
  readonly program: string;
  readonly accelerator: "kvm" | "tcg";
  /** For guests without KVM; see `boot/tsc.ts`. */
  readonly tsc?: TscRate;
  readonly vsock: boolean;
  /** Paths that are block devices; all others are plain files. */
  readonly blockDevices: ReadonlySet<string>;
}

export interface QemuCommand {
  readonly words: readonly string[];
  /** Devices that the program inherits opened, from descriptor 3 on: macvtap interfaces. */
  readonly openFiles: readonly string[];
}

/** Slots 23 down to 1. */
const slotsMax = 23;
export const agentPortName = "dev.liquidmetal.agent.0";

export function qemuCommand(machine: Machine, paths: QemuPaths, platform: QemuPlatform): QemuCommand {
  const slots = new Slots();
  const openFiles: string[] = [];
  const words = [
    platform.program,
    ...["-name", `guest=${machine.token}`],
    ...machineOptions(machine, platform),
    ...["-nodefaults", "-no-user-config", "-nographic", "-S"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-pidfile", paths.pidFile],
    ...["-chardev", `socket,id=control,path=${escaped(paths.control)},server=on,wait=off`],
    ...["-mon", "chardev=control,mode=control"],
    ...[
      "-chardev",
      `socket,id=console,path=${escaped(paths.console)},server=on,wait=off,logfile=${escaped(paths.consoleLog)},logappend=on`,
    ],
    ...["-serial", "chardev:console"],
    ...["-kernel", machine.kernelPath],
    ...(machine.initrdPath === undefined ? [] : ["-initrd", machine.initrdPath]),
    ...["-append", kernelArguments(defaultArguments(machine, platform), machine.cmdline)],
    ...disksOf(machine).flatMap((disk, index) => diskOptions(disk, index, slots, platform)),
    ...machine.interfaces.flatMap((device, index) => interfaceOptions(device, index, slots, openFiles)),
    ...machine.volumes.filter(isShare).flatMap((share, index) => shareOptions(share, index, slots)),
    ...(machine.vsock && platform.vsock
      ? ["-device", `vhost-vsock-device,guest-cid=${contextId(machine.uid)},${slots.next()}`]
      : []),
    ...["-device", `virtio-serial-device,${slots.next()}`],
    ...["-chardev", `socket,id=agent,path=${escaped(paths.agent)},server=on,wait=off`],
    ...["-device", `virtserialport,chardev=agent,name=${agentPortName}`],
    ...[
      "-object",
      "rng-random,id=entropy,filename=/dev/urandom",
      "-device",
      `virtio-rng-device,rng=entropy,${slots.next()}`,
    ],
    ...["-device", `virtio-balloon-device,id=balloon,free-page-reporting=on,${slots.next()}`],
  ];
  return { words, openFiles };
}

/** Size of the translation cache in MiB: a quarter of the guest's memory, since small guests run little code; 64 to 1,024. */
export function translationCacheMiB(memoryMiB: number): number {
  return Math.min(1_024, Math.max(64, Math.round(memoryMiB / 4)));
}

/** vsock context id of a microVM: stable, and above the reserved ones. */
export function contextId(uid: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(uid)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return 3 + (hash % 0x7ffffff0);
}

function machineOptions(machine: Machine, platform: QemuPlatform): string[] {
  const shared = machine.volumes.some(isShare);
  const kvm = platform.accelerator === "kvm";
  const cache = translationCacheMiB(machine.memoryMiB);
  return [
    ...(shared ? ["-object", `memory-backend-memfd,id=memory,size=${machine.memoryMiB}M,share=on`] : []),
    ...["-M", `microvm,x-option-roms=off,rtc=on,acpi=on${shared ? ",memory-backend=memory" : ""}`],
    ...["-accel", kvm ? "kvm" : `tcg,thread=multi,tb-size=${cache}`, "-cpu", kvm ? "host" : "max"],
    ...["-smp", String(machine.vcpu), "-m", String(machine.memoryMiB)],
  ];
}

function defaultArguments(machine: Machine, platform: QemuPlatform): [string, string][] {
  const root = machine.volumes.find((volume) => volume.kind === "block");
  const rootArguments: [string, string][] = [
    ["root", "/dev/vda"],
    [root?.readOnly === true ? "ro" : "rw", ""],
  ];
  return [
    ["console", "ttyS0"],
    ...(machine.hasRootVolume ? rootArguments : []),
    // The BIOS has no disks to probe; and what the console says first is then the kernel's own.
    ["edd", "off"],
    ["panic", "1"],
    ["reboot", "t"],
    ...(platform.accelerator === "tcg" ? emulationArguments(platform.tsc) : []),
  ];
}

/** What spares an emulated machine work that is of no use to it (ADR 21). */
function emulationArguments(tsc: TscRate | undefined): [string, string][] {
  const clock: [string, string][] = tsc === undefined ? [] : [["tsc_early_khz", String(tsc.khz)]];
  return [
    ...clock,
    ...(tsc?.exact === true ? [["tsc", "reliable"] as [string, string]] : []),
    // An emulated processor does not speculate; the detours by which a kernel keeps a real one from it cost a fifth of the time of some programs.
    ["mitigations", "off"],
  ];
}

type Disk = Pick<MadeVolume, "path" | "format" | "readOnly">;

function disksOf(machine: Machine): Disk[] {
  const seed: Disk[] =
    machine.seedPath === undefined ? [] : [{ path: machine.seedPath, format: "raw", readOnly: true }];
  return [...machine.volumes.filter((volume) => volume.kind === "block"), ...seed];
}

function isShare(volume: MadeVolume): boolean {
  return volume.kind === "virtiofs";
}

function diskOptions(disk: Disk, index: number, slots: Slots, platform: QemuPlatform): string[] {
  const file = {
    driver: platform.blockDevices.has(disk.path) ? "host_device" : "file",
    "node-name": `file${index}`,
    filename: disk.path,
    locking: "on",
    discard: "unmap",
    "read-only": disk.readOnly,
    cache: { direct: false, "no-flush": false },
  };
  const format = {
    driver: disk.format,
    "node-name": `disk${index}`,
    file: `file${index}`,
    discard: "unmap",
    "read-only": disk.readOnly,
  };
  const device = `virtio-blk-device,id=disk-device${index},drive=disk${index},${slots.next()}`;
  return ["-blockdev", JSON.stringify(file), "-blockdev", JSON.stringify(format), "-device", device];
}

function interfaceOptions(made: MadeInterface, index: number, slots: Slots, openFiles: string[]): string[] {
  const device = `virtio-net-device,netdev=net${index},mac=${made.guestMac},${slots.next()}`;
  if (made.type === "tap") {
    return [
      "-netdev",
      `tap,id=net${index},ifname=${escaped(made.hostDevice)},script=no,downscript=no`,
      "-device",
      device,
    ];
  }
  openFiles.push(`/dev/tap${made.hostIndex}`);
  return ["-netdev", `tap,id=net${index},fd=${2 + openFiles.length}`, "-device", device];
}

function shareOptions(share: MadeVolume, index: number, slots: Slots): string[] {
  // Upstream's guests mount the tag `user`; further shares go by their volume's id.
  const tag = index === 0 ? "user" : share.id;
  const device = `vhost-user-fs-device,queue-size=1024,chardev=share${index},tag=${escaped(tag)},${slots.next()}`;
  return ["-chardev", `socket,id=share${index},path=${escaped(share.path)}`, "-device", device];
}

/** QEMU's option lists are separated by commas; a comma in a value is doubled. */
function escaped(value: string): string {
  return value.replaceAll(",", ",,");
}

class Slots {
  #free = slotsMax;

  next(): string {
    if (this.#free === 0) {
      const text = `QEMU's microvm machine takes at most ${slotsMax} devices; this microVM has too many volumes and interfaces`;
      throw new PlatformError("CAPABILITY_MISSING", text);
    }
    return `bus=virtio-mmio-bus.${this.#free--}`;
  }
}
