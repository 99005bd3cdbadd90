/**
 * Everything that the management plane's units need before they are started: programs, certificates, kubeconfigs, manifests, ports.
 *
 * The plane lives where the guests live, for Cluster API has to reach the API servers in them, and its own ports belong to nobody else there. Without a
 * namespace it lives beside the host's programs: ports are then chosen once and kept, and those that listen on all addresses are closed to others.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { type PlatformConfiguration, writeWhole } from "../configuration.ts";
import type { GatewayConfiguration } from "../gateway/gateway-configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { buildKey, nodeFlags, programPath } from "../program-location.ts";
import type { Unit } from "../supervisor/plan.ts";
import { closePlanePorts } from "./plane-firewall.ts";
import { guestBridge, planePaths } from "./plane-paths.ts";
import { planeSoftware } from "./plane-software.ts";
import { gatewayUnits, type PlaneUnitOptions, planUnit } from "./plane-units.ts";

export interface PreparePlaneOptions {
  readonly paths: PlatformPaths;
  readonly configuration: PlatformConfiguration;
  /** Of the units. */
  readonly environment: Readonly<Record<string, string>>;
  /** What takes minutes is told, one line each. */
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
}

/** In the order of starting. The first time, programs are compiled: minutes, and a Go module proxy is needed. */
export async function preparePlane(options: PreparePlaneOptions): Promise<readonly Unit[]> {
  const { paths, configuration, environment, report, signal } = options;
  const management = await import("@liquidmetal/management-plane");
  const embedded = await import("@liquidmetal/management-plane/embedded");
  const directory = paths.managementDirectory;
  const plane = planePaths(paths);
  const namespaced = configuration.networkNamespace;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { programs, providers } = await planeSoftware({ paths, report, signal });
  const ports = namespaced ? embedded.usualPlanePorts : await embedded.keptPlanePorts(directory);
  const { gateway: port } = await embedded.keptPorts(plane.gatewayPorts, ["gateway"]);
  const proxyUrl = `http://127.0.0.1:${port}`;
  const made = await embedded.embeddedPlane({
    directory,
    ports,
    proxyUrl,
    capmvm: { file: process.execPath, arguments: [...nodeFlags, programPath("capmvm")] },
    signal,
  });
  const manifests = await embedded.planeManifests({
    providers,
    authority: made.certificates.authority.certificate,
    ports,
  });
  const keeper = await embedded.writeKeeperConfiguration({
    directory,
    url: made.url,
    proxyUrl,
    healthPort: ports.keeper,
    manifests,
  });
  if (!namespaced) await closePlanePorts(paths, embedded.openPorts(ports));
  const unitOptions: PlaneUnitOptions = { paths, plane, namespaced, environment };
  const identity = `gateway of ${paths.runDirectory}`;
  const gateway: GatewayConfiguration = {
    identity,
    port,
    socket: plane.gatewaySocket,
    probeSocket: plane.probeSocket,
    apiServerPort: ports.apiServer["kube-apiserver"],
    probePorts: [
      ...[ports.apiServer.etcd, ports.apiServer["kube-apiserver"], ports.apiServer["kube-controller-manager"]],
      ...Object.values(ports.seats).map(({ health }) => health),
      ports.keeper,
    ],
    bridge: guestBridge(paths.name),
    agentPort: ports.agent,
    agentSocket: paths.agentSocket,
  };
  const gatewayText = `${JSON.stringify(gateway, null, 2)}\n`;
  await writeWhole(plane.gatewayConfiguration, gatewayText);
  const build = buildKey();
  const own = build.split(" ")[0] ?? build;
  const versions: Readonly<Record<string, string>> = {
    etcd: management.etcdVersion,
    "kube-apiserver": management.kubernetesVersion,
    "kube-controller-manager": management.kubernetesVersion,
    capmvm: embedded.capmvmVersion,
  };
  const units = made.plans.map((plan) => {
    const program =
      typeof plan.program === "string" ? programs[plan.program as keyof typeof programs] : plan.program.file;
    const version = versions[plan.name] ?? management.clusterApiVersion;
    return planUnit(plan, { program, version, ...(plan.name === "capmvm" && { inputs: build }) }, unitOptions);
  });
  const keeperUnit = planUnit(
    {
      name: embedded.keeperName,
      program: { file: process.execPath },
      arguments: [...nodeFlags, programPath("plane-keeper"), keeper.file],
      environment: {},
      ready: { url: `http://127.0.0.1:${ports.keeper}/readyz`, deadlineMs: 180_000 },
      after: ["kube-apiserver", "kube-controller-manager"],
    },
    {
      program: process.execPath,
      version: own,
      inputs: createHash("sha256")
        .update(build + keeper.inputs)
        .digest("hex"),
    },
    unitOptions,
  );
  const first = units.findIndex(({ after }) => after.includes(embedded.keeperName));
  return [
    ...gatewayUnits({ port, identity, inputs: build + gatewayText, version: own }, unitOptions),
    ...units.slice(0, first),
    keeperUnit,
    ...units.slice(first),
  ];
}
