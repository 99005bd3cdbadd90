/** A filled-in template as objects, with the network of pods put in or left out. */
import { PlatformError } from "@liquidmetal/foundation";
import type { KubernetesObject } from "@liquidmetal/kubernetes";
import { parseAllDocuments, stringify } from "yaml";
import { addonsLabel } from "../objects.ts";

/** In the order of the text; empty documents are left out. Throws REQUEST_INVALID, naming the line. */
export function parseManifests(text: string): readonly KubernetesObject[] {
  const documents = parseAllDocuments(text);
  // An empty stream is no array, but no failure either.
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw invalid(error.message);
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value === null || value === undefined) return [];
    return [checked(value)];
  });
}

/** Several documents, as kubectl takes them. */
export function manifestsText(objects: readonly KubernetesObject[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}

/** The objects without ClusterResourceSets that bring our network, and without what only those name. */
export function withoutNetwork(objects: readonly KubernetesObject[], cluster: string): readonly KubernetesObject[] {
  const name = `${cluster}-cni`;
  return objects.filter(
    ({ kind, metadata }) => !(metadata?.name === name && (kind === "ClusterResourceSet" || kind === "ConfigMap")),
  );
}

/** The objects with the network's, unless they have it; the Cluster gets the label that it is chosen by. */
export function withNetwork(
  objects: readonly KubernetesObject[],
  network: readonly KubernetesObject[],
  cluster: string,
): readonly KubernetesObject[] {
  if (objects.some(({ kind }) => kind === "ClusterResourceSet")) return objects;
  const labelled = objects.map((object) => {
    const { kind, metadata } = object;
    if (kind !== "Cluster" || metadata?.name !== cluster) return object;
    return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, [addonsLabel]: cluster } } };
  });
  return [...labelled, ...network];
}

/** Every object in the namespace; one of another namespace, or without a name, is no part of a cluster. Throws REQUEST_INVALID. */
export function inNamespace(objects: readonly KubernetesObject[], namespace: string): readonly KubernetesObject[] {
  return objects.map((object) => {
    const { kind, metadata } = object;
    if ((metadata?.name ?? "") === "") throw invalid(`a ${kind} has no name`);
    const own = metadata?.namespace;
    if (own !== undefined && own !== namespace)
      throw invalid(`${kind} ${metadata?.name} is for namespace ${own}, not ${namespace}`);
    return { ...object, metadata: { ...metadata, namespace } };
  });
}

function checked(value: unknown): KubernetesObject {
  const { apiVersion, kind, metadata } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof apiVersion === "string" && typeof kind === "string" && typeof metadata === "object" && metadata !== null)
    return value as KubernetesObject;
  throw invalid("a document is no object of Kubernetes: apiVersion, kind or metadata is missing");
}

function invalid(why: string): PlatformError {
  return new PlatformError("REQUEST_INVALID", `the filled-in template cannot be used: ${why}`, {
    remedy: "look at it with --dry-run; values with braces are YAML and go in as they are",
  });
}
