/** Plans of processes become units of the supervisor: in the platform's namespace, with logs, programs and versions. */
import { join } from "node:path";
import type { ProcessPlan } from "@liquidmetal/management-plane";
import type { PlatformPaths } from "../paths.ts";
import { nodeFlags, programPath } from "../program-location.ts";
import type { Unit } from "../supervisor/plan.ts";
import type { PlanePaths } from "./plane-paths.ts";

/** In the order of starting. */
export const planePartNames: readonly string[] = [
  ...["gateway-inside", "gateway", "etcd", "kube-apiserver", "kube-controller-manager", "plane-keeper"],
  ...["cluster-api", "kubeadm-bootstrap", "kubeadm-control-plane", "capmvm"],
];

export interface PlaneUnitOptions {
  readonly paths: PlatformPaths;
  readonly plane: PlanePaths;
  /** Units run in the platform's namespace. */
  readonly namespaced: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

const programStopMs = 15_000;
const ownStopMs = 5_000;

/** A unit of the plane; `after` always holds the inner gateway, without which nobody could ask it how it is. */
export function planUnit(
  plan: ProcessPlan,
  { program, version, inputs = "" }: { readonly program: string; readonly version: string; readonly inputs?: string },
  options: PlaneUnitOptions,
): Unit {
  const { url, authority, certificate, key, deadlineMs } = plan.ready;
  return {
    ...common(plan.name, options),
    program,
    args: plan.arguments,
    env: { ...environmentOf(program, options), ...plan.environment },
    after: ["gateway-inside", ...plan.after],
    readiness: {
      kind: "http",
      url,
      proxySocket: options.plane.probeSocket,
      ...(authority !== undefined && { authority }),
      ...(certificate !== undefined && { certificate }),
      ...(key !== undefined && { key }),
    },
    readyTimeoutMs: deadlineMs,
    stopTimeoutMs: programStopMs,
    inputs,
    version,
  };
}

/** Both halves of the gateway. The inner one needs the namespace, and so flintlockd, which makes it. */
export function gatewayUnits(
  gateway: {
    readonly port: number;
    /** What it tells when it is asked who it is. */
    readonly identity: string;
    readonly inputs: string;
    readonly version: string;
  },
  options: PlaneUnitOptions,
): readonly Unit[] {
  const { plane } = options;
  const { port, identity, inputs, version } = gateway;
  const half = (side: "inside" | "outside"): Omit<Unit, "after" | "readiness"> => ({
    ...common(side === "inside" ? "gateway-inside" : "gateway", options),
    program: process.execPath,
    args: [...nodeFlags, programPath("gateway"), side, plane.gatewayConfiguration],
    env: environmentOf(process.execPath, options),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: ownStopMs,
    inputs,
    version,
  });
  const { networkNamespace: _, ...outside } = half("outside");
  return [
    {
      ...half("inside"),
      after: ["flintlockd"],
      readiness: { kind: "http", url: "http://localhost/healthz", socket: plane.gatewaySocket, says: identity },
    },
    {
      ...outside,
      after: ["gateway-inside"],
      readiness: { kind: "http", url: `http://127.0.0.1:${port}/healthz`, says: identity },
    },
  ];
}

/** Our own programs keep their compiled code: from the second start on they need a third less memory. */
function environmentOf(program: string, { environment, paths }: PlaneUnitOptions): Readonly<Record<string, string>> {
  if (program !== process.execPath) return environment;
  return { ...environment, NODE_COMPILE_CACHE: join(paths.stateDirectory, "code-cache") };
}

function common(
  name: string,
  { paths, namespaced }: PlaneUnitOptions,
): Pick<Unit, "name" | "logPath" | "group" | "networkNamespace"> {
  return {
    name,
    logPath: join(paths.logDirectory, `${name}.log`),
    group: "management-plane",
    ...(namespaced && { networkNamespace: paths.networkNamespace }),
  };
}
