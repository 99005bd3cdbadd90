/** How a platform is: each part with its health, version, uptime and memory. Works without a supervisor, from the records. */

import { existsSync } from "node:fs";
import { type PlatformConfiguration, readConfiguration } from "../configuration.ts";
import { type GatewayConfiguration, readGatewayConfiguration } from "../gateway/gateway-configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { planePaths } from "../plane/plane-paths.ts";
import { keptSoftware } from "../plane/plane-software.ts";
import { planeHealth } from "../plane/plane-status.ts";
import { planePartNames } from "../plane/plane-units.ts";
import { agentVersion, containerdVersion, isServing } from "../process/grpc-probe.ts";
import { proportionalMemoryBytes, usageOf } from "../process/identity.ts";
import { liveProcess, ProcessRecords } from "../process/record.ts";
import { supervisorStatus } from "../supervisor/control-client.ts";
import type { SupervisorStatus } from "../supervisor/status.ts";
import { currentPlan } from "./plan.ts";

export interface PartStatus {
  readonly name: string;
  /** `ready`, `starting`, `backoff`, `stopped`, …; `unsupervised` when it runs and nobody looks after it. */
  readonly state: string;
  readonly healthy: boolean;
  readonly version: string | null;
  readonly pid: number | null;
  readonly uptimeMs: number | null;
  /** Resident. */
  readonly memoryBytes: number | null;
  /** Its share, pages that several processes have together divided among them; of parts of the management plane only. */
  readonly proportionalMemoryBytes?: number | null;
  readonly restarts: number;
  readonly detail: string;
}

export interface PlatformStatus {
  readonly name: string;
  readonly state: "absent" | "stopped" | "degraded" | "running";
  readonly parts: readonly PartStatus[];
  readonly endpoints: readonly string[];
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly networkNamespace: string | null;
  /** Absent where none is wanted. */
  readonly managementPlane?: ManagementPlaneStatus;
}

export interface ManagementPlaneStatus {
  /** Names of its parts. */
  readonly parts: readonly string[];
  /** Of its administrator; works on this host. */
  readonly kubeconfig: string;
  /** Of the proxy by which tools of this host reach its API server and those of workload clusters; null when it is down. */
  readonly proxyUrl: string | null;
  /** Under which its providers know this host's flintlockd; null when it is down. */
  readonly agentEndpoint: string | null;
  /** Paths of tools of its versions. */
  readonly kubectl: string | null;
  readonly clusterctl: string | null;
  /** Of all its parts, resident. */
  readonly memoryBytes: number;
  readonly proportionalMemoryBytes: number;
}

const probeTimeoutMs = 1_500;
/** A plane that starts on a busy machine takes its time. */
const planeTimeoutMs = 5_000;

export async function platformStatus(paths: PlatformPaths): Promise<PlatformStatus> {
  const configuration = await readConfiguration(paths);
  const supervisor = await supervisorStatus(paths.supervisorSocket);
  const own = configuration === undefined ? [] : await partsOf(paths, configuration, supervisor);
  const plane = configuration?.managementPlane === true ? await planeParts(paths, supervisor) : undefined;
  const parts = [...own, ...(plane ?? [])];
  const running = parts.filter((part) => part.pid !== null || part.healthy);
  const state =
    configuration === undefined
      ? "absent"
      : running.length === 0
        ? "stopped"
        : parts.every((part) => part.healthy)
          ? "running"
          : "degraded";
  return {
    name: paths.name,
    state,
    parts,
    endpoints: configuration === undefined ? [] : endpointsOf(paths, configuration),
    stateDirectory: paths.stateDirectory,
    runDirectory: paths.runDirectory,
    networkNamespace: configuration?.networkNamespace === true ? paths.networkNamespace : null,
    ...(plane !== undefined && { managementPlane: await planeStatus(paths, plane) }),
  };
}

async function partsOf(
  paths: PlatformPaths,
  configuration: PlatformConfiguration,
  supervisor: SupervisorStatus | undefined,
): Promise<readonly PartStatus[]> {
  const containerdSocket = configuration.containerdSocket ?? paths.containerdSocket;
  const [containerd, agent, serving] = await Promise.all([
    containerdVersion(containerdSocket, probeTimeoutMs),
    agentVersion(paths.agentSocket, probeTimeoutMs, configuration.settings?.["basic-auth-token"]),
    isServing(paths.agentSocket, probeTimeoutMs),
  ]);
  const own: PartStatus = {
    name: "supervisor",
    state: supervisor === undefined ? "stopped" : supervisor.stopping ? "stopping" : "ready",
    healthy: supervisor !== undefined && !supervisor.stopping,
    version: null,
    pid: supervisor?.pid ?? null,
    ...usage(supervisor?.pid),
    restarts: 0,
    detail: "",
  };
  const private_ = configuration.containerdSocket === undefined;
  const health = { healthy: containerd !== undefined, version: containerd ?? null };
  return [
    own,
    private_
      ? unit(paths, "containerd", supervisor, health.healthy, health.version)
      : {
          ...own,
          ...health,
          ...usage(undefined),
          name: "containerd",
          state: "external",
          pid: null,
          detail: containerdSocket,
        },
    unit(paths, "flintlockd", supervisor, serving, agent ?? null),
  ];
}

/** Parts that ought to run, as the plan says; without one the platform is down, and so is each of them. */
async function planeParts(
  paths: PlatformPaths,
  supervisor: SupervisorStatus | undefined,
): Promise<readonly PartStatus[]> {
  const plan = currentPlan(paths);
  if (plan === undefined) return planePartNames.map((name) => unit(paths, name, supervisor, false, null));
  const health = await planeHealth(plan, planeTimeoutMs);
  return health.map(({ unit: { name, version }, healthy, problem }) => {
    const part = unit(paths, name, supervisor, healthy, version ?? null);
    const share = part.pid === null ? undefined : proportionalMemoryBytes(part.pid);
    return { ...part, proportionalMemoryBytes: share ?? null, detail: part.detail || problem };
  });
}

async function planeStatus(paths: PlatformPaths, parts: readonly PartStatus[]): Promise<ManagementPlaneStatus> {
  const programs = (await keptSoftware(planePaths(paths).software))?.programs;
  const gateway = currentGateway(planePaths(paths).gatewayConfiguration);
  const sum = (of: (part: PartStatus) => number | null | undefined): number =>
    parts.reduce((total, part) => total + (of(part) ?? 0), 0);
  return {
    parts: parts.map(({ name }) => name),
    kubeconfig: paths.managementKubeconfig,
    proxyUrl: gateway === undefined ? null : `http://127.0.0.1:${gateway.port}`,
    agentEndpoint: gateway === undefined ? null : `127.0.0.1:${gateway.agentPort}`,
    kubectl: programs?.kubectl ?? null,
    clusterctl: programs?.clusterctl ?? null,
    memoryBytes: sum((part) => part.memoryBytes),
    proportionalMemoryBytes: sum((part) => part.proportionalMemoryBytes),
  };
}

function currentGateway(file: string): GatewayConfiguration | undefined {
  try {
    return readGatewayConfiguration(file);
  } catch {
    return undefined;
  }
}

function unit(
  paths: PlatformPaths,
  name: string,
  supervisor: SupervisorStatus | undefined,
  healthy: boolean,
  version: string | null,
): PartStatus {
  const told = supervisor?.units.find((each) => each.name === name);
  const record =
    told === undefined && existsSync(paths.recordDirectory)
      ? new ProcessRecords(paths.recordDirectory).read(name)
      : undefined;
  const pid = told?.pid ?? (record === undefined ? undefined : liveProcess(record)?.pid) ?? null;
  return {
    name,
    state: told?.state ?? (pid === null ? "stopped" : "unsupervised"),
    healthy,
    version,
    pid,
    ...usage(pid ?? undefined),
    restarts: told?.restarts ?? 0,
    detail: told?.detail ?? (pid === null ? "" : "no supervisor; 'lm up' takes it over"),
  };
}

function usage(pid: number | undefined): { readonly uptimeMs: number | null; readonly memoryBytes: number | null } {
  const found = pid === undefined ? undefined : usageOf(pid);
  return { uptimeMs: found?.uptimeMs ?? null, memoryBytes: found?.memoryBytes ?? null };
}

function endpointsOf(paths: PlatformPaths, configuration: PlatformConfiguration): readonly string[] {
  const { grpcEndpoint, httpEndpoint } = configuration;
  return [
    `unix:${paths.agentSocket}`,
    ...(grpcEndpoint === undefined ? [] : [grpcEndpoint]),
    ...(httpEndpoint === undefined ? [] : [`http://${httpEndpoint}`]),
  ];
}
