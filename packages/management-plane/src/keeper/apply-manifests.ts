/**
 * Sets of manifests, applied server-side, each only when its content is another than the one that was applied last.
 *
 * What was applied is remembered in the cluster itself, in a ConfigMap, so that it goes with the data and not with the machine. A set is remembered after the
 * last of its objects: one that was interrupted is applied again, which does no harm. Objects that a newer set no longer has stay where they are.
 */
import { createHash } from "node:crypto";
import { type Clock, PlatformError, sleep } from "@liquidmetal/foundation";
import {
  type Condition,
  isConditionTrue,
  type KubernetesClient,
  type KubernetesObject,
  type Resource,
  resource,
} from "@liquidmetal/kubernetes";
import type { Manifest } from "../manifests/manifest.ts";
import { Discovery } from "./discovery.ts";
import type { ManifestSet } from "./keeper-configuration.ts";

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

interface CustomResourceDefinition extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

const namespaces = resource<KubernetesObject>({
  ...{ group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
});
const configMaps = resource<ConfigMap>({
  ...{ group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
});
const definitions = resource<CustomResourceDefinition>({
  ...{ group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" },
  ...{ plural: "customresourcedefinitions", namespaced: false },
});

/** Where it stands what was applied: digest by name of the set. */
export const appliedKey = { namespace: "liquidmetal-system", name: "applied-manifests" } as const;
const lookMs = 100;
const establishMs = 60_000;

export interface ApplyManifestsOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What is done, one line each. */
  readonly report: (line: string) => void;
}

/** Returns the names of the sets that were applied. */
export async function applyManifests(
  sets: readonly ManifestSet[],
  options: ApplyManifestsOptions,
): Promise<readonly string[]> {
  const { client, signal, report } = options;
  const before = (await client.find(configMaps, appliedKey, { signal }))?.data ?? {};
  const done: Record<string, string> = { ...before };
  const applied: string[] = [];
  const discovery = new Discovery(client);
  for (const set of sets) {
    const digest = digestOf(set);
    if (before[set.name] === digest) continue;
    report(`applying ${set.manifests.length} objects of ${set.name}`);
    for (const manifest of set.manifests) await applyOne(manifest, discovery, options);
    done[set.name] = digest;
    await remember(client, done, signal);
    applied.push(set.name);
  }
  return applied;
}

/** Of content alone: the same for the same manifests in the same order. */
export function digestOf({ manifests }: ManifestSet): string {
  return createHash("sha256").update(JSON.stringify(manifests)).digest("hex");
}

async function applyOne(manifest: Manifest, discovery: Discovery, options: ApplyManifestsOptions): Promise<void> {
  const { client, signal } = options;
  const { name, namespace = "" } = manifest.metadata;
  try {
    const kind = await discovery.resourceOf(manifest.apiVersion, manifest.kind, signal);
    await client.apply(kind, { namespace: kind.namespaced ? namespace || "default" : "", name }, manifest, { signal });
    if (isDefinition(kind)) await established(name, options);
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = PlatformError.from(error, "KUBERNETES_UNAVAILABLE");
    throw new PlatformError(code, `${manifest.kind} ${name} could not be applied: ${message}`, { cause: error });
  }
}

function isDefinition(kind: Resource): boolean {
  return kind.group === definitions.group && kind.kind === definitions.kind;
}

/** What is applied next may be of this very kind. */
async function established(name: string, { client, clock, signal }: ApplyManifestsOptions): Promise<void> {
  const deadlineMs = clock.monotonicMs() + establishMs;
  for (;;) {
    const definition = await client.get(definitions, { namespace: "", name }, { signal });
    if (isConditionTrue(definition.status?.conditions ?? [], "Established")) return;
    if (clock.monotonicMs() > deadlineMs)
      throw new PlatformError("DEADLINE_EXCEEDED", `it is not established after ${establishMs / 1_000} s`);
    await sleep(clock, lookMs, signal);
  }
}

async function remember(
  client: KubernetesClient,
  data: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  await client.apply(namespaces, { namespace: "", name: appliedKey.namespace }, {}, { signal });
  await client.apply(configMaps, appliedKey, { data }, { signal });
}
