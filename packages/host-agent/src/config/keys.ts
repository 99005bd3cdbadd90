/**
 * Every key of the configuration: name (flag and file key alike), how it is read, its default, what it is for.
 *
 * Upstream's keys come first, with upstream's names and defaults; ours follow. This table is the single source for flags, help text, environment
 * names, the file's schema and `config show`.
 */
import type { z } from "zod";
import type { KeyName, OwnValues, UpstreamValues } from "./key-values.ts";
import * as read from "./value-schemas.ts";

export interface ConfigKey<T = unknown> {
  readonly schema: z.ZodType<T>;
  /** As one would write it on the command line. */
  readonly fallback: string;
  readonly help: string;
  /** Works without a value: `--insecure`. */
  readonly isSwitch?: boolean;
  readonly hidden?: boolean;
  readonly secret?: boolean;
  /** Accepted, since upstream has it or it is meant for later, and without effect in this version: setting it is warned of. */
  readonly hasNoEffect?: boolean;
  /** Short flag. */
  readonly short?: string;
}

function key<T>(schema: z.ZodType<T>, fallback: string, help: string, more: Partial<ConfigKey<T>> = {}): ConfigKey<T> {
  return { schema, fallback, help, ...more };
}

function toggle(fallback: boolean, help: string, more: Partial<ConfigKey<boolean>> = {}): ConfigKey<boolean> {
  return key(read.flag, String(fallback), help, { isSwitch: true, ...more });
}

const mebibyte = 1_048_576;

type Keys<V> = { readonly [K in keyof V]: ConfigKey<V[K]> };

const upstream: Keys<UpstreamValues> = {
  verbosity: key(read.whole(0, 100), "0", "0-1 info, 2-8 debug, 9 and above trace", { short: "v" }),
  "log-format": key(read.oneOf("text", "json"), "text", "text or json"),
  "log-output": key(read.text, "stderr", "stdout, stderr or the path of a file"),
  "grpc-endpoint": key(
    read.addresses,
    "localhost:9090",
    "gRPC listen addresses: host:port, unix:/path; several with commas",
  ),
  "state-dir": key(read.text, "/var/lib/flintlock", "root of the state"),
  "resync-period": key(read.duration, "10m0s", "how often everything is looked at again"),
  "deleteMicroVM-timeout": key(read.duration, "10s", "how long a guest may take to power off before it is forced"),
  "basic-auth-token": key(read.text, "", "token that clients must show; empty = none", { secret: true }),
  insecure: toggle(false, "allow plain text, also to other machines"),
  "tls-cert": key(read.text, "", "server certificate, PEM file"),
  "tls-key": key(read.text, "", "server key, PEM file"),
  "tls-client-validate": toggle(false, "demand client certificates"),
  "tls-client-ca": key(read.text, "", "authority of client certificates, PEM file"),
  "containerd-socket": key(read.text, "/run/containerd/containerd.sock", "socket of containerd"),
  "containerd-kernel-ss": key(read.text, "native", "no effect here: snapshotter for kernel and initrd images", {
    hasNoEffect: true,
  }),
  "containerd-ns": key(read.text, "flintlock", "namespace in containerd"),
  "firecracker-bin": key(read.text, "firecracker", "no effect here: Firecracker's program", { hasNoEffect: true }),
  "firecracker-detach": toggle(true, "no effect here: let Firecracker outlive the agent", { hasNoEffect: true }),
  "cloudhypervisor-bin": key(read.text, "cloud-hypervisor-static", "no effect here: Cloud Hypervisor's program", {
    hasNoEffect: true,
  }),
  "cloudhypervisor-detach": toggle(true, "no effect here: let Cloud Hypervisor outlive the agent", {
    hasNoEffect: true,
  }),
  "default-provider": key(
    read.oneOf("auto", "qemu", "firecracker", "cloudhypervisor"),
    "auto",
    "hypervisor of specs that name none; auto = qemu, which is what this version drives",
  ),
  "debug-endpoint": key(read.addresses, "", "listen address of metrics and liveness; empty = off"),
  "enable-http": toggle(false, "serve the HTTP/JSON gateway"),
  "http-endpoint": key(read.addresses, "localhost:8090", "listen address of the gateway: host:port or unix:/path"),
  "virtiofs-bin": key(read.text, "/usr/libexec/virtiofsd", "virtiofsd's program"),
  "parent-iface": key(read.text, "", "parent interface of macvtap devices"),
  "bridge-name": key(read.text, "", "bridge of tap devices"),
  "disable-reconcile": toggle(false, "accept requests and do nothing", { hidden: true }),
  "maximum-retry": key(read.whole(0, 1_000_000), "10", "failed attempts before a slow retry", { hidden: true }),
  "disable-api": toggle(false, "serve no API", { hidden: true }),
};

const own: Keys<OwnValues> = {
  "listen-unix": key(read.list, "", "further gRPC listeners on Unix sockets: paths, several with commas"),
  "enable-reflection": toggle(false, "serve gRPC reflection"),
  "grpc-message-limit": key(read.size(256 * mebibyte), "16MiB", "largest gRPC message accepted"),
  "http-body-limit": key(read.size(64 * mebibyte), "4MiB", "largest HTTP body accepted"),
  "grpc-keepalive": key(read.duration, "60s", "ask a silent connection whether it lives after this long"),
  "stop-timeout": key(read.duration, "5s", "how long open calls may take to end when the agent stops"),
  "metadata-limit": key(read.size(8 * mebibyte), "1MiB", "decoded size of all metadata of a microVM"),
  "log-level": key(read.oneOf("", "trace", "debug", "info", "warn", "error"), "", "overrides verbosity"),
  "run-dir": key(read.text, "/run/flintlock", "sockets of microVMs; keep it short"),
  "qemu-bin": key(
    read.text,
    process.arch === "arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64",
    "QEMU's program; empty = off",
  ),
  network: key(
    read.oneOf("auto", "embedded", "bridge", "none"),
    "auto",
    "embedded, bridge or none; auto = bridge when bridge-name or parent-iface is set, else embedded",
  ),
  "network-subnet": key(read.text, "", "subnet of the embedded network, CIDR; empty = a free one"),
  "network-shared": key(
    read.list,
    "",
    "networks that every guest may send from beside its own addresses, CIDRs: pods of clusters without encapsulation",
  ),
  "network-floating": key(
    read.whole(0, 1_024),
    "0",
    "so many addresses at the end of the embedded subnet are leased to nobody and may move between guests: endpoints of clusters",
  ),
  "network-isolation": key(
    read.oneOf("auto", "cluster", "none"),
    "auto",
    "cluster = guests do not meet guests of other clusters (microVM labels cluster-name, liquidmetal.dev/network-group) on this host's bridges; auto = cluster in the embedded network, else none",
  ),
  "network-egress": key(read.oneOf("allow", "deny"), "deny", "may guests of the embedded network reach the outside"),
  "platform-name": key(
    read.text,
    "",
    "name that marks this agent's devices and cgroups; empty = from the identity of the state directory",
  ),
  "network-namespace": key(read.text, "", "network namespace to live in; empty = the host's own"),
  "volume-store": key(read.oneOf("auto", "qcow2", "reflink", "copy", "snapshotter"), "auto", "how volumes are cloned"),
  snapshotter: key(read.text, "", "containerd snapshotter of volume images; empty = the volume store's choice"),
  "registry-hosts-dir": key(read.text, "", "directory of per-registry hosts.toml files"),
  "registry-auth-file": key(read.text, "", "docker-style config.json with registry credentials"),
  "virtiofs-root": key(read.list, "", "directories below which virtiofs sources may lie; empty = none may"),
  concurrency: key(read.whole(1, 1_024), "8", "microVMs worked on at once"),
  "restart-policy": key(read.oneOf("always", "on-failure", "never"), "on-failure", "when a guest ends by itself"),
  "overcommit-vcpu": key(read.factor(0.1, 1_000), "4.0", "vCPUs promised for each processor"),
  "overcommit-memory": key(read.factor(0.1, 100), "1.0", "memory promised over what there is"),
  "overcommit-disk": key(read.factor(0.1, 100), "1.0", "disk promised over what there is"),
  "reserve-vcpu": key(read.factor(0, 4_096), "0", "no effect here: processors kept for the host", {
    hasNoEffect: true,
  }),
  "reserve-memory": key(read.size(2 ** 50), "256MiB", "memory kept for the host"),
  "reserve-disk": key(read.size(2 ** 60), "1GiB", "disk kept for the host"),
  "host-labels": key(read.labels, "", "labels of this host: key=value, several with commas"),
};

export const configKeys: Readonly<Record<KeyName, ConfigKey>> = { ...upstream, ...own };

export function isKeyName(name: string): name is KeyName {
  return Object.hasOwn(configKeys, name);
}

export function keyNames(): readonly KeyName[] {
  return Object.keys(configKeys).filter(isKeyName);
}
