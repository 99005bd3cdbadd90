/**
 * The `meta-data` document: who the instance is.
 *
 * A flat map of texts (upstream's rule). Upstream writes `instance_id`; cloud-init's NoCloud reads `instance-id` and `local-hostname`, and does not run as
 * a new instance without the first. Both spellings are given; whatever the user wrote stays.
 */
import type { MicroVmSpec } from "@liquidmetal/microvm";
import { stringify } from "yaml";
import { invalid, isMap, parseYaml } from "./document-text.ts";

const document = "meta-data";

/** The completed document; `text` is what the user sent, if anything. */
export function instanceData(uid: string, spec: MicroVmSpec, text: string | undefined): string {
  return stringify(sorted(instanceEntries(uid, spec, text)), {
    defaultStringType: "QUOTE_DOUBLE",
    defaultKeyType: "PLAIN",
    lineWidth: 0,
  });
}

export function instanceEntries(
  uid: string,
  spec: MicroVmSpec,
  text: string | undefined,
): Readonly<Record<string, string>> {
  const given = text === undefined || text.trim() === "" ? {} : flatMap(text);
  const id = nonEmpty(given["instance-id"]) ?? nonEmpty(given["instance_id"]) ?? uid;
  const hostname = nonEmpty(given["local-hostname"]) ?? nonEmpty(given["local_hostname"]) ?? hostnameOf(spec.name);
  return {
    instance_id: id,
    "instance-id": id,
    "local-hostname": hostname,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")),
  };
}

/** The name as a host name (RFC 1123): lower case, hyphens for what is not allowed, at most 63. */
export function hostnameOf(name: string): string {
  const label = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  return label === "" ? "microvm" : label;
}

function flatMap(text: string): Readonly<Record<string, string>> {
  const parsed = parseYaml(document, text, { scalarsAsText: true });
  if (parsed === null || parsed === "") return {};
  if (!isMap(parsed)) throw invalid(document, "a map of texts is wanted");
  for (const [key, value] of Object.entries(parsed)) {
    if (typeof value !== "string")
      throw invalid(document, `the value of ${JSON.stringify(key.slice(0, 64))} is nested; only texts are wanted`);
  }
  return parsed as Readonly<Record<string, string>>;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function sorted(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
}
