/** kubectl as admin of a plane: applies manifests server-side, makes tokens, waits. */
import { execFile } from "node:child_process";
import { PlatformError } from "@liquidmetal/foundation";
import type { Manifest } from "../manifests/manifest.ts";

/** By path: `--for=condition` fails on a definition that has no conditions yet. */
const established = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True';

export class Kubectl {
  readonly #program: string;
  readonly #kubeconfigFile: string;

  constructor(program: string, kubeconfigFile: string) {
    this.#program = program;
    this.#kubeconfigFile = kubeconfigFile;
  }

  /** Returns stdout. KUBERNETES_UNAVAILABLE with what kubectl said when it fails, or takes longer than two minutes. */
  run(
    args: readonly string[],
    options: { readonly input?: string; readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    const { input = "", signal } = options;
    return new Promise((resolve, reject) => {
      const child = execFile(
        this.#program,
        ["--kubeconfig", this.#kubeconfigFile, ...args],
        { maxBuffer: 64 * 1024 * 1024, timeout: 120_000, ...(signal && { signal }) },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else if (signal?.aborted === true) reject(PlatformError.from(signal.reason, "CANCELLED", "kubectl"));
          else reject(failure(args, stderr.trim() || error.message, error));
        },
      );
      child.stdin?.on("error", () => {});
      child.stdin?.end(input);
    });
  }

  /** Server-side, in the order given; takes fields over from whoever set them before. */
  async apply(manifests: readonly Manifest[], signal?: AbortSignal): Promise<void> {
    const list = { apiVersion: "v1", kind: "List", items: manifests };
    const args = ["apply", "--server-side", "--force-conflicts", "--field-manager=liquidmetal", "-f", "-"];
    await this.run(args, { input: JSON.stringify(list), ...(signal && { signal }) });
    const definitions = manifests.filter(({ kind }) => kind === "CustomResourceDefinition");
    if (definitions.length === 0) return;
    const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
    await this.run(["wait", established, "--timeout=60s", ...names], { ...(signal && { signal }) });
  }

  /** Of a service account, for `hours`. */
  async token(namespace: string, serviceAccount: string, hours: number, signal?: AbortSignal): Promise<string> {
    const args = ["create", "token", serviceAccount, `--namespace=${namespace}`, `--duration=${hours}h`];
    return (await this.run(args, { ...(signal && { signal }) })).trim();
  }

  /** Waits until the aggregated rules of a ClusterRole are there. */
  async awaitAggregated(role: string, signal?: AbortSignal): Promise<void> {
    const args = ["wait", `clusterrole/${role}`, "--for=jsonpath={.rules[0]}", "--timeout=60s"];
    await this.run(args, { ...(signal && { signal }) });
  }
}

function failure(args: readonly string[], said: string, cause: unknown): PlatformError {
  const [verb = "", ...rest] = args.filter((each) => !each.startsWith("-"));
  return new PlatformError("KUBERNETES_UNAVAILABLE", `kubectl ${[verb, ...rest.slice(0, 3)].join(" ")}: ${said}`, {
    cause,
  });
}
