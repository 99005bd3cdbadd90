/**
 * The system packages that this project uses, why, and how each is found. Debian and Ubuntu names.
 *
 * A package is asked for only when its probe (a program or a file) is missing, so that a machine that has the thing from
 * elsewhere is left as it is.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

export type Purpose = "run" | "images" | "test";

export interface SystemPackage {
  readonly name: string;
  /** Program in PATH (or absolute file) that shows that it is there. */
  readonly probe: string;
  readonly why: string;
  readonly purpose: Purpose;
}

export const systemPackages: readonly SystemPackage[] = [
  { name: "qemu-system-x86", probe: "qemu-system-x86_64", why: "the hypervisor where there is no KVM", purpose: "run" },
  { name: "qemu-utils", probe: "qemu-img", why: "volumes as qcow2 overlays", purpose: "run" },
  { name: "containerd", probe: "containerd", why: "the image store", purpose: "run" },
  { name: "iproute2", probe: "ip", why: "taps, bridges, network namespaces", purpose: "run" },
  { name: "nftables", probe: "nft", why: "anti-spoofing and NAT", purpose: "run" },
  { name: "dnsmasq-base", probe: "dnsmasq", why: "DHCP and DNS of the embedded network", purpose: "run" },
  { name: "e2fsprogs", probe: "mke2fs", why: "root volumes from images", purpose: "run" },
  { name: "util-linux", probe: "setpriv", why: "VMMs without root", purpose: "run" },
  { name: "mount", probe: "mount", why: "reading layered images", purpose: "run" },
  { name: "openssh-client", probe: "ssh", why: "logging in to guests", purpose: "run" },
  { name: "cpio", probe: "cpio", why: "initial RAM disks", purpose: "images" },
  { name: "lz4", probe: "lz4", why: "unpacking distribution kernels", purpose: "images" },
  { name: "zstd", probe: "zstd", why: "unpacking distribution packages and kernels", purpose: "images" },
  { name: "xz-utils", probe: "xz", why: "unpacking distribution packages and kernels", purpose: "images" },
  { name: "kmod", probe: "depmod", why: "module lists of initial RAM disks", purpose: "images" },
  {
    name: "ca-certificates",
    probe: "/etc/ssl/certs/ca-certificates.crt",
    why: "package registries over TLS",
    purpose: "images",
  },
  { name: "busybox-static", probe: "busybox", why: "DHCP clients and guests of tests", purpose: "test" },
  { name: "docker-registry", probe: "docker-registry", why: "a real registry to pull from", purpose: "test" },
  { name: "openssl", probe: "openssl", why: "certificates of tests", purpose: "test" },
  { name: "mtools", probe: "mcopy", why: "reading seed disks in tests", purpose: "test" },
  { name: "dosfstools", probe: "fsck.fat", why: "checking seed disks in tests", purpose: "test" },
  { name: "tmux", probe: "tmux", why: "terminal tests of the command line", purpose: "test" },
];

const directories = (process.env["PATH"] ?? "").split(delimiter).concat("/usr/sbin", "/sbin", "/usr/local/sbin");

export function isPresent(probe: string): boolean {
  if (probe.startsWith("/")) return existsSync(probe);
  return directories.some((directory) => {
    try {
      accessSync(join(directory, probe), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function missingPackages(purposes: readonly Purpose[]): readonly SystemPackage[] {
  return systemPackages.filter((entry) => purposes.includes(entry.purpose) && !isPresent(entry.probe));
}

/** Installs by apt, after saying what and why. Throws with a remedy when it cannot. */
export function installPackages(packages: readonly SystemPackage[], say: (line: string) => void): void {
  if (packages.length === 0) return;
  const names = packages.map((entry) => entry.name);
  say(`Installing system packages: ${names.join(" ")}`);
  if (!isPresent("apt-get")) {
    throw new Error(
      `this machine has no apt-get: install by hand what provides ${packages.map((entry) => entry.probe).join(", ")}`,
    );
  }
  if (process.getuid?.() !== 0)
    throw new Error(`installing needs root: run it as root, or first: sudo apt-get install ${names.join(" ")}`);
  const install = (): number | null => {
    const result = spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names], {
      stdio: ["ignore", 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    return result.status;
  };
  // The package lists of a fresh machine are missing or old; those of a used one are often good enough.
  if (install() === 0) return;
  spawnSync("apt-get", ["update", "-q"], { stdio: ["ignore", 2, 2] });
  if (install() !== 0) throw new Error(`apt-get could not install ${names.join(" ")}: see its output above`);
}
