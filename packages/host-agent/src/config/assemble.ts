/** From key values to the typed configuration, and the rules that hold between keys. Every broken rule is told, not only the first. */
import { isIP } from "node:net";
import type { AgentConfig, ApiConfig, LogConfig, NetworkConfig } from "./agent-config.ts";
import type { KeyName, KeyValues } from "./key-values.ts";
import { formatListenAddress, type ListenAddress } from "./listen-address.ts";

export interface BrokenRule {
  readonly key: KeyName;
  readonly text: string;
}

export function brokenRules(values: KeyValues): readonly BrokenRule[] {
  const broken: BrokenRule[] = [];
  const rule = (holds: boolean, key: KeyName, text: string): void => {
    if (!holds) broken.push({ key, text });
  };
  const cert = values["tls-cert"];
  const tlsKey = values["tls-key"];
  const secure = cert !== "" || tlsKey !== "";
  rule(!(values.insecure && secure), "insecure", "cannot specify tls certificate details when running insecurely");
  rule(tlsKey === "" || cert !== "", "tls-cert", "certificate file path is required when running securely");
  rule(cert === "" || tlsKey !== "", "tls-key", "certificate key file path is required when running securely");
  const validate = values["tls-client-validate"];
  const clientCa = values["tls-client-ca"];
  rule(!validate || clientCa !== "", "tls-client-ca", "client certificate key file path is required when running mTLS");
  rule(
    !validate || secure,
    "tls-cert",
    "certificate file path is required when running securely: clients are to be validated",
  );
  rule(
    clientCa === "" || validate,
    "tls-client-ca",
    "has no effect without tls-client-validate: set that too, or remove this",
  );
  rule(values["http-endpoint"].length <= 1, "http-endpoint", "takes one address");
  rule(values["debug-endpoint"].length <= 1, "debug-endpoint", "takes one address");
  rule(
    values["grpc-endpoint"].length + values["listen-unix"].length > 0,
    "grpc-endpoint",
    "needs at least one address",
  );
  // Said here already, before anything is started on the host; the API's servers refuse it once more.
  for (const key of ["grpc-endpoint", "http-endpoint"] as const) {
    const served = !values["disable-api"] && (key === "grpc-endpoint" || values["enable-http"]);
    const open = values[key].find((address) => address.kind === "tcp" && !address.loopback);
    rule(
      !served || secure || values.insecure || open === undefined,
      key,
      `certificate file path is required when running securely: ${open === undefined ? "" : formatListenAddress(open)} can be reached from other machines; give tls-cert and tls-key, or insecure if plain text is what you want`,
    );
  }
  for (const path of values["listen-unix"]) {
    const fits = path.replace(/^unix:/, "").startsWith("/") && Buffer.byteLength(path) <= 107;
    rule(fits, "listen-unix", `must be absolute paths of at most 107 bytes: '${path}'`);
  }
  for (const path of values["virtiofs-root"]) {
    rule(path.startsWith("/"), "virtiofs-root", `must be absolute paths: '${path}'`);
  }
  for (const cidr of values["network-shared"]) {
    rule(isNetwork(cidr), "network-shared", `must be networks such as 10.244.0.0/16 or fd00:10:244::/56: '${cidr}'`);
  }
  const noProvider = !(values["firecracker-bin"] || values["cloudhypervisor-bin"] || values["qemu-bin"]);
  rule(
    !noProvider,
    "qemu-bin",
    "at least one microvm provider must be configured: qemu-bin, firecracker-bin or cloudhypervisor-bin",
  );
  for (const name of ["firecracker", "cloudhypervisor", "qemu"] as const) {
    const missing = values["default-provider"] === name && values[`${name}-bin`] === "";
    rule(!missing, "default-provider", `is ${name}, but ${name}-bin is empty`);
  }
  const hasDevice = values["bridge-name"] !== "" || values["parent-iface"] !== "";
  rule(values.network !== "bridge" || hasDevice, "network", "is bridge: set bridge-name or parent-iface");
  rule(
    /^(|[a-z][a-z0-9-]{0,31})$/.test(values["platform-name"]),
    "platform-name",
    "must be lower-case letters, digits and hyphens, a letter first, at most 32",
  );
  rule(values["state-dir"].startsWith("/"), "state-dir", "must be an absolute path");
  rule(values["run-dir"].startsWith("/"), "run-dir", "must be an absolute path");
  // "/" and a uid of 26, "/" and the longest socket name.
  rule(
    Buffer.byteLength(values["run-dir"]) <= 60,
    "run-dir",
    "must have at most 60 bytes, so that socket paths fit into 107",
  );
  return broken;
}

export function assemble(values: KeyValues): AgentConfig {
  const debugEndpoint = values["debug-endpoint"][0];
  return {
    api: apiConfig(values),
    log: logConfig(values),
    platformName: values["platform-name"],
    stateDir: values["state-dir"],
    runDir: values["run-dir"],
    containerd: {
      socket: values["containerd-socket"],
      namespace: values["containerd-ns"],
      kernelSnapshotter: values["containerd-kernel-ss"],
      snapshotter: values.snapshotter,
      registryHostsDir: values["registry-hosts-dir"],
      registryAuthFile: values["registry-auth-file"],
    },
    hypervisors: {
      defaultProvider: values["default-provider"],
      qemuBin: values["qemu-bin"],
      firecrackerBin: values["firecracker-bin"],
      firecrackerDetach: values["firecracker-detach"],
      cloudHypervisorBin: values["cloudhypervisor-bin"],
      cloudHypervisorDetach: values["cloudhypervisor-detach"],
      virtiofsBin: values["virtiofs-bin"],
    },
    network: networkConfig(values),
    volumes: { store: values["volume-store"], virtiofsRoots: values["virtiofs-root"] },
    engine: {
      resyncPeriodMs: values["resync-period"],
      deleteTimeoutMs: values["deleteMicroVM-timeout"],
      reconcile: !values["disable-reconcile"],
      maximumRetry: values["maximum-retry"],
      concurrency: values.concurrency,
      restartPolicy: values["restart-policy"],
    },
    capacity: {
      overcommitVcpu: values["overcommit-vcpu"],
      overcommitMemory: values["overcommit-memory"],
      overcommitDisk: values["overcommit-disk"],
      reserveVcpu: values["reserve-vcpu"],
      reserveMemoryMiB: Math.ceil(values["reserve-memory"] / 1_048_576),
      reserveDiskBytes: values["reserve-disk"],
    },
    labels: values["host-labels"],
    ...(debugEndpoint === undefined ? {} : { debugEndpoint }),
  };
}

function apiConfig(values: KeyValues): ApiConfig {
  const http = values["enable-http"] ? values["http-endpoint"][0] : undefined;
  const sockets = values["listen-unix"].map(
    (path): ListenAddress => ({ kind: "unix", path: path.replace(/^unix:/, "") }),
  );
  return {
    enabled: !values["disable-api"],
    grpc: [...values["grpc-endpoint"], ...sockets],
    ...(http === undefined ? {} : { http }),
    ...(values["tls-cert"] === ""
      ? {}
      : {
          tls: {
            certPath: values["tls-cert"],
            keyPath: values["tls-key"],
            ...(values["tls-client-validate"] ? { clientCaPath: values["tls-client-ca"] } : {}),
          },
        }),
    insecure: values.insecure,
    ...(values["basic-auth-token"] === "" ? {} : { token: values["basic-auth-token"] }),
    reflection: values["enable-reflection"],
    messageLimitBytes: values["grpc-message-limit"],
    bodyLimitBytes: values["http-body-limit"],
    keepaliveMs: values["grpc-keepalive"],
    stopTimeoutMs: values["stop-timeout"],
    metadataLimitBytes: values["metadata-limit"],
  };
}

function logConfig(values: KeyValues): LogConfig {
  const fromVerbosity = values.verbosity >= 9 ? "trace" : values.verbosity >= 2 ? "debug" : "info";
  const level = values["log-level"] === "" ? fromVerbosity : values["log-level"];
  return { level, format: values["log-format"], output: values["log-output"] };
}

function networkConfig(values: KeyValues): NetworkConfig {
  const hasDevice = values["bridge-name"] !== "" || values["parent-iface"] !== "";
  const automatic = hasDevice ? "bridge" : "embedded";
  const mode = values.network === "auto" ? automatic : values.network;
  const usualIsolation = mode === "embedded" ? "cluster" : "none";
  return {
    mode,
    bridgeName: values["bridge-name"],
    parentInterface: values["parent-iface"],
    subnet: values["network-subnet"],
    sharedNetworks: values["network-shared"],
    floatingAddresses: values["network-floating"],
    isolation: values["network-isolation"] === "auto" ? usualIsolation : values["network-isolation"],
    egress: values["network-egress"],
    namespace: values["network-namespace"],
  };
}

/** A CIDR that leaves something of anti-spoofing: nobody's pods need more than a /8 or an IPv6 /16. */
function isNetwork(text: string): boolean {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || !/^\d{1,3}$/.test(prefix)) return false;
  return version === 4 ? Number(prefix) >= 8 && Number(prefix) <= 32 : Number(prefix) >= 16 && Number(prefix) <= 128;
}
