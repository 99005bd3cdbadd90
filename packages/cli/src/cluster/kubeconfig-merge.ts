/**
 * Puts one cluster's kubeconfig into a file of several, and leaves everything else there as it is: other entries, comments, fields that nobody here knows.
 *
 * Text in, text out. Source: client-go's tools/clientcmd, whose files these are.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type Document, isMap, isSeq, parse, parseDocument, stringify, type YAMLMap, type YAMLSeq } from "yaml";

/** A kubeconfig of one context. */
export interface SingleKubeconfig {
  readonly clusterName: string;
  readonly userName: string;
  readonly contextName: string;
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
}

export interface MergeOptions {
  /** Makes it the current context; where none is set it becomes so anyway. Default false. */
  readonly use?: boolean;
  /** Replaces entries of the same name that are of another cluster. Default false. */
  readonly overwrite?: boolean;
}

/** Of Cluster API's secret. Throws KUBECONFIG_INVALID. */
export function readSingleKubeconfig(text: string): SingleKubeconfig {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new PlatformError("KUBECONFIG_INVALID", "the cluster's kubeconfig is not YAML", { cause });
  }
  const config = record(value);
  const context = named(config["contexts"], asText(config["current-context"])) ?? first(config["contexts"]);
  const reference = record(record(context)["context"]);
  const [clusterName, userName] = [asText(reference["cluster"]), asText(reference["user"])];
  const cluster = named(config["clusters"], clusterName);
  const user = named(config["users"], userName);
  if (context === undefined || cluster === undefined || user === undefined)
    throw new PlatformError("KUBECONFIG_INVALID", "the cluster's kubeconfig lacks a context, its cluster or its user");
  return {
    ...{ clusterName, userName, contextName: asText(context["name"]) },
    cluster: record(cluster["cluster"]),
    user: record(user["user"]),
  };
}

/** Reached through a proxy, as the clusters of the local platform are. */
export function throughProxy(config: SingleKubeconfig, proxyUrl: string | undefined): SingleKubeconfig {
  return proxyUrl === undefined ? config : { ...config, cluster: { ...config.cluster, "proxy-url": proxyUrl } };
}

/** All three entries under names made of `name`, as in a file with many clusters. */
export function renamed(config: SingleKubeconfig, name: string): SingleKubeconfig {
  return { ...config, clusterName: name, userName: `${name}-admin`, contextName: name };
}

export function kubeconfigText(config: SingleKubeconfig): string {
  const { clusterName, userName, contextName, cluster, user } = config;
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: clusterName, cluster }],
      users: [{ name: userName, user }],
      contexts: [{ name: contextName, context: { cluster: clusterName, user: userName } }],
      "current-context": contextName,
    },
    { lineWidth: 0 },
  );
}

/** `existing`: the file's text, "" for none. Throws KUBECONFIG_INVALID; OBJECT_EXISTS for an entry of that name that is another cluster's. */
export function mergeKubeconfig(existing: string, config: SingleKubeconfig, options: MergeOptions = {}): string {
  if (existing.trim() === "") return kubeconfigText(config);
  const document = parseDocument(existing);
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new PlatformError(
      "KUBECONFIG_INVALID",
      `the file to merge into is no kubeconfig: ${document.errors[0]?.message ?? "it is no mapping"}`,
    );
  const { clusterName, userName, contextName, cluster, user } = config;
  const before = entry(document, "clusters", clusterName);
  if (before !== undefined && options.overwrite !== true) refuseAnother(before, config);
  setEntry(document, "clusters", clusterName, "cluster", cluster);
  setEntry(document, "users", userName, "user", user);
  const context = entry(document, "contexts", contextName);
  if (context === undefined)
    setEntry(document, "contexts", contextName, "context", { cluster: clusterName, user: userName });
  else {
    // The namespace that somebody chose for it stays.
    context.setIn(["context", "cluster"], clusterName);
    context.setIn(["context", "user"], userName);
  }
  const current = document.get("current-context");
  if (options.use === true || typeof current !== "string" || current === "")
    document.set("current-context", contextName);
  return document.toString({ lineWidth: 0 });
}

/** The same server or the same authority: it is the same cluster, moved or made anew behind its address. */
function refuseAnother(before: YAMLMap, { clusterName, cluster }: SingleKubeconfig): void {
  const own = (key: string): unknown => before.getIn(["cluster", key]);
  const authority = "certificate-authority-data";
  if (own("server") === cluster["server"] || (own(authority) !== undefined && own(authority) === cluster[authority]))
    return;
  throw new PlatformError(
    "OBJECT_EXISTS",
    `the file has a cluster '${clusterName}' already, with the server ${String(own("server") ?? "unknown")}`,
    { remedy: "give this one another name with --name, or replace that one with --overwrite" },
  );
}

function list(document: Document, key: string): YAMLSeq {
  const found: unknown = document.get(key, true);
  if (isSeq(found)) return found;
  document.set(key, document.createNode([]));
  return document.get(key, true) as YAMLSeq;
}

function entry(document: Document, key: string, name: string): YAMLMap | undefined {
  const items: readonly unknown[] = list(document, key).items;
  return items.filter((item): item is YAMLMap => isMap(item)).find((item) => item.get("name") === name);
}

function setEntry(document: Document, key: string, name: string, field: string, value: object): void {
  const found = entry(document, key, name);
  if (found === undefined) {
    const entries = list(document, key);
    // `clusters: []` would go on in one line.
    entries.flow = false;
    entries.add(document.createNode({ name, [field]: value }));
  } else found.set(field, document.createNode(value));
}

type Fields = Readonly<Record<string, unknown>>;

const record = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const asText = (value: unknown): string => (typeof value === "string" ? value : "");
const first = (value: unknown): Fields | undefined => (Array.isArray(value) ? record(value[0]) : undefined);

function named(value: unknown, name: string): Fields | undefined {
  return Array.isArray(value) ? value.map(record).find((each) => each["name"] === name) : undefined;
}
