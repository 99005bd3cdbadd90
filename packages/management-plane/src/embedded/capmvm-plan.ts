/** capmvm as a process of the plane, with exactly the rights and webhooks that its manifests give it. */
import type { ManagerIdentity } from "../plan/cluster-api-plan.ts";
import type { ProcessPlan } from "../plan/process-plan.ts";
import type { SeatPorts } from "./plane-ports.ts";

/** As in `deploy/capmvm`. */
export const capmvmVersion = "v0.11.0";

export const capmvmIdentity: ManagerIdentity = {
  installed: { name: "microvm", type: "InfrastructureProvider", version: capmvmVersion, namespace: "capmvm-system" },
  serviceAccount: "capmvm-controller-manager",
  webhookService: "capmvm-system/capmvm-webhook-service",
};

export interface CapmvmPlanOptions {
  readonly file: string;
  /** Before its flags. */
  readonly arguments: readonly string[];
  readonly kubeconfig: string;
  /** Holds tls.crt and tls.key. */
  readonly webhookCertificates: string;
  readonly ports: SeatPorts;
}

export function capmvmPlan(options: CapmvmPlanOptions): ProcessPlan {
  const { ports, kubeconfig, webhookCertificates } = options;
  return {
    name: "capmvm",
    program: { file: options.file },
    arguments: [
      ...options.arguments,
      `--kubeconfig=${kubeconfig}`,
      "--webhook-host=127.0.0.1",
      `--webhook-port=${ports.webhook}`,
      `--webhook-cert-dir=${webhookCertificates}`,
      `--health-addr=127.0.0.1:${ports.health}`,
      "--diagnostics-address=0",
    ],
    environment: {},
    ready: { url: `http://127.0.0.1:${ports.health}/readyz`, deadlineMs: 60_000 },
    after: [],
  };
}
