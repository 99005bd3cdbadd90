/**
 * The flags of capmvm: upstream's with their defaults (dossier 1.9), Cluster API's and ours.
 *
 * Every flag is also read from the environment as `CAPMVM_<NAME>`; the command line wins. A flag that is taken only so that command lines written for
 * other programs go on working says so by `ignored`, and capmvm warns when it is used.
 */
export type FlagKind = "switch" | "text" | "count" | "port" | "duration" | "address" | "list";

export type FlagName =
  | "kubeconfig"
  | "leader-elect"
  | "leader-elect-lease-duration"
  | "leader-elect-renew-deadline"
  | "leader-elect-retry-period"
  | "leader-election-namespace"
  | "namespace"
  | "watch-filter"
  | "microvmcluster-concurrency"
  | "microvmmachine-concurrency"
  | "microvmmachinepool-concurrency"
  | "microvmmachinetemplate-concurrency"
  | "sync-period"
  | "delete-orphans"
  | "delete-orphaned-microvms"
  | "webhook-host"
  | "webhook-port"
  | "webhook-cert-dir"
  | "webhook-cert-name"
  | "webhook-key-name"
  | "health-addr"
  | "diagnostics-address"
  | "insecure-diagnostics"
  | "profiler-address"
  | "tls-min-version"
  | "tls-cipher-suites"
  | "v"
  | "logging-format"
  | "vmodule"
  | "log-flush-frequency"
  | "log-json-info-buffer-size"
  | "log-json-split-stream"
  | "log-text-info-buffer-size"
  | "log-text-split-stream";

export interface Flag {
  readonly kind: FlagKind;
  /** As it would be written on the command line. "" = none. */
  readonly fallback: string;
  readonly help: string;
  readonly short?: string;
  readonly ignored?: boolean;
}

const flag = (kind: FlagKind, fallback: string, help: string, more: Partial<Flag> = {}): Flag => ({
  kind,
  fallback,
  help,
  ...more,
});
const ignored = (kind: FlagKind, help: string, more: Partial<Flag> = {}): Flag =>
  flag(kind, "", `${help}; taken, and without effect`, { ...more, ignored: true });

export const flags: Readonly<Record<FlagName, Flag>> = {
  kubeconfig: flag("text", "", "kubeconfig of the management cluster; default: KUBECONFIG, else the pod's own account"),
  "leader-elect": flag("switch", "false", "be one of several, of which one works at a time"),
  "leader-elect-lease-duration": flag("duration", "15s", "how long a leader that went silent keeps its place"),
  "leader-elect-renew-deadline": flag("duration", "10s", "how long a leader tries to renew before it gives up"),
  "leader-elect-retry-period": flag("duration", "2s", "time between two tries to lead or to renew"),
  "leader-election-namespace": flag("text", "", "namespace of the lease; default: the pod's own"),
  namespace: flag("text", "", "look after objects of this namespace only; default: all"),
  "watch-filter": flag(
    "text",
    "",
    "look after objects with this value of the label cluster.x-k8s.io/watch-filter only",
  ),
  "microvmcluster-concurrency": flag("count", "10", "MicrovmClusters worked on at once"),
  "microvmmachine-concurrency": flag("count", "10", "MicrovmMachines worked on at once"),
  "microvmmachinepool-concurrency": flag("count", "10", "MicrovmMachinePools worked on at once"),
  "microvmmachinetemplate-concurrency": flag("count", "1", "MicrovmMachineTemplates worked on at once"),
  "sync-period": flag("duration", "10m", "every object is looked at again after this time, also when nothing happened"),
  "delete-orphaned-microvms": flag(
    "switch",
    "false",
    "delete microVMs that were made here and that no MicrovmMachine has any more; default: tell of them",
  ),
  "delete-orphans": flag(
    "switch",
    "false",
    "delete microVMs that this management cluster made and no machine claims; else they are only told of",
  ),
  "webhook-host": flag("text", "", "address that the webhook server listens on; default: all"),
  "webhook-port": flag("port", "9443", "port of the webhook server; 0 = no webhook server"),
  "webhook-cert-dir": flag(
    "text",
    "/tmp/k8s-webhook-server/serving-certs",
    "folder with the webhook server's certificate and key; read again when they change",
  ),
  "webhook-cert-name": flag("text", "tls.crt", "file of the certificate in that folder"),
  "webhook-key-name": flag("text", "tls.key", "file of the key in that folder"),
  "health-addr": flag("address", ":9440", "address of /healthz and /readyz"),
  "diagnostics-address": flag("address", ":8443", "address of /metrics; 0 = none"),
  "insecure-diagnostics": flag("switch", "false", "serve /metrics by plain HTTP and to everybody"),
  "profiler-address": flag("address", "", "address of Node's inspector, which profiles; default: none"),
  "tls-min-version": flag("text", "VersionTLS12", "lowest version of TLS: VersionTLS12 or VersionTLS13"),
  "tls-cipher-suites": flag("list", "", "cipher suites of TLS 1.2, as Go names them; default: Node's"),
  v: flag("count", "0", "how much is logged: 4 and more also what helps to find mistakes", { short: "v" }),
  "logging-format": flag("text", "json", "form of the log: json or text"),
  vmodule: ignored("text", "how much single files log"),
  "log-flush-frequency": ignored("text", "how often the log is written out"),
  "log-json-info-buffer-size": ignored("text", "buffer of the log"),
  "log-json-split-stream": ignored("switch", "log to two streams"),
  "log-text-info-buffer-size": ignored("text", "buffer of the log"),
  "log-text-split-stream": ignored("switch", "log to two streams"),
};

export const flagNames: readonly FlagName[] = Object.keys(flags) as FlagName[];

/** `microvmmachine-concurrency` is `CAPMVM_MICROVMMACHINE_CONCURRENCY`. */
export function environmentName(name: FlagName): string {
  return `CAPMVM_${name.toUpperCase().replaceAll("-", "_")}`;
}
