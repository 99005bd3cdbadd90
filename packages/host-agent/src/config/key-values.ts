/** The type of every key of the configuration, after it has been read. */
import type { RestartPolicy } from "@liquidmetal/microvm";
import type { LogConfig, NetworkConfig, ProviderChoice, VolumeStoreChoice } from "./agent-config.ts";
import type { ListenAddress } from "./listen-address.ts";

type Text = string;
type Milliseconds = number;
type Bytes = number;

/** Upstream's keys. */
export interface UpstreamValues {
  readonly verbosity: number;
  readonly "log-format": LogConfig["format"];
  readonly "log-output": Text;
  readonly "grpc-endpoint": readonly ListenAddress[];
  readonly "state-dir": Text;
  readonly "resync-period": Milliseconds;
  readonly "deleteMicroVM-timeout": Milliseconds;
  readonly "basic-auth-token": Text;
  readonly insecure: boolean;
  readonly "tls-cert": Text;
  readonly "tls-key": Text;
  readonly "tls-client-validate": boolean;
  readonly "tls-client-ca": Text;
  readonly "containerd-socket": Text;
  readonly "containerd-kernel-ss": Text;
  readonly "containerd-ns": Text;
  readonly "firecracker-bin": Text;
  readonly "firecracker-detach": boolean;
  readonly "cloudhypervisor-bin": Text;
  readonly "cloudhypervisor-detach": boolean;
  readonly "default-provider": ProviderChoice;
  readonly "debug-endpoint": readonly ListenAddress[];
  readonly "enable-http": boolean;
  readonly "http-endpoint": readonly ListenAddress[];
  readonly "virtiofs-bin": Text;
  readonly "parent-iface": Text;
  readonly "bridge-name": Text;
  readonly "disable-reconcile": boolean;
  readonly "maximum-retry": number;
  readonly "disable-api": boolean;
}

/** Ours. */
export interface OwnValues {
  readonly "listen-unix": readonly string[];
  readonly "enable-reflection": boolean;
  readonly "grpc-message-limit": Bytes;
  readonly "http-body-limit": Bytes;
  readonly "grpc-keepalive": Milliseconds;
  readonly "stop-timeout": Milliseconds;
  readonly "metadata-limit": Bytes;
  readonly "log-level": LogConfig["level"] | "";
  readonly "run-dir": Text;
  readonly "qemu-bin": Text;
  readonly network: NetworkConfig["mode"] | "auto";
  readonly "network-subnet": Text;
  readonly "network-shared": readonly string[];
  readonly "network-floating": number;
  readonly "network-isolation": NetworkConfig["isolation"] | "auto";
  readonly "network-egress": NetworkConfig["egress"];
  readonly "platform-name": Text;
  readonly "network-namespace": Text;
  readonly "volume-store": VolumeStoreChoice;
  readonly snapshotter: Text;
  readonly "registry-hosts-dir": Text;
  readonly "registry-auth-file": Text;
  readonly "virtiofs-root": readonly string[];
  readonly concurrency: number;
  readonly "restart-policy": RestartPolicy;
  readonly "overcommit-vcpu": number;
  readonly "overcommit-memory": number;
  readonly "overcommit-disk": number;
  readonly "reserve-vcpu": number;
  readonly "reserve-memory": Bytes;
  readonly "reserve-disk": Bytes;
  readonly "host-labels": Readonly<Record<string, string>>;
}

export interface KeyValues extends UpstreamValues, OwnValues {}

export type KeyName = keyof KeyValues;
