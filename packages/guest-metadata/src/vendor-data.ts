/**
 * The `vendor-data` document: mounts for additional volumes, and the readiness hook, beside whatever vendor data the user brings.
 *
 * A cloud-config of the user's is completed (unknown keys stay, a device that is listed already is left alone); anything else the user brings becomes a part of its
 * own. The whole is a MIME multipart, which is how cloud-init takes several documents of different kinds in one.
 */
import type { MadeInterface, MicroVmSpec } from "@liquidmetal/microvm";
import { stringify } from "yaml";
import { invalid, isMap, parseYaml } from "./document-text.ts";
import { readinessScript } from "./readiness-script.ts";
import { mountOptions, type VolumeMount, volumeMounts } from "./volume-mounts.ts";

const document = "vendor-data";
/** Boundary of the parts; no document of the user's that contains it is accepted. */
const boundary = "==liquidmetal-vendor-data==";
const templateMark = "## template: jinja";

export function vendorData(spec: MicroVmSpec, interfaces: readonly MadeInterface[], text: string | undefined): string {
  const given = text?.trim() === "" ? undefined : text;
  if (given?.includes(boundary) === true) throw invalid(document, "it contains a word that is reserved as separator");
  const mounts = volumeMounts(spec);
  const parts: string[] = [];
  if (given !== undefined && !isCloudConfig(given)) parts.push(foreignPart(given));
  const config = given !== undefined && isCloudConfig(given) ? given : undefined;
  if (config !== undefined || mounts.length > 0) {
    // A template has to be declared as such: cloud-init looks at the first line only of parts that say nothing of themselves.
    const type = config?.startsWith(templateMark) === true ? "text/jinja2" : "text/cloud-config";
    parts.push(part(type, cloudConfig(mounts, config)));
  }
  parts.push(part("text/cloud-boothook", readinessScript(interfaces)));
  return `Content-Type: multipart/mixed; boundary="${boundary}"\nMIME-Version: 1.0\n\n${parts.join("")}--${boundary}--\n`;
}

/** The user's cloud-config with our mounts in it; just as it was when there is nothing to add. */
export function cloudConfig(mounts: readonly VolumeMount[], given: string | undefined): string {
  const template = given?.startsWith(templateMark) === true;
  if (given !== undefined && template && mounts.length === 0) return given;
  const config: Record<string, unknown> = given === undefined ? {} : { ...asMap(given) };
  const listed = Array.isArray(config["mounts"]) ? (config["mounts"] as readonly unknown[]) : [];
  const taken = new Set(listed.map((entry) => (Array.isArray(entry) ? withoutDirectory(String(entry[0])) : "")));
  const added = mounts.filter(({ source }) => !taken.has(withoutDirectory(source))).map(mountEntry);
  if (given !== undefined && added.length === 0) return given;
  config["mounts"] = [...listed, ...added];
  config["mount_default_fields"] ??= [null, null, "auto", "defaults,nofail", "0", "2"];
  return `${template ? `${templateMark}\n` : ""}#cloud-config\n\n${stringify(config, { lineWidth: 0, version: "1.1" })}`;
}

/** Device names without `/dev/`, as upstream writes them. Everything that differs from the default fields is said in full. */
function mountEntry(mount: VolumeMount): readonly string[] {
  const { source, mountPoint, type, readOnly } = mount;
  const name = withoutDirectory(source);
  if (type === "auto" && !readOnly) return [name, mountPoint];
  return [name, mountPoint, type, mountOptions(mount), "0", type === "virtiofs" ? "0" : "2"];
}

function withoutDirectory(device: string): string {
  return device.replace(/^\/dev\//, "");
}

function asMap(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseYaml(document, text);
  if (parsed === null) return {};
  if (!isMap(parsed)) throw invalid(document, "a cloud-config has to be a map");
  return parsed;
}

/** As upstream takes it: YAML, with or without the header lines. */
function isCloudConfig(text: string): boolean {
  const [first = ""] = text.split("\n", 1);
  if (first.startsWith(templateMark)) return /^#cloud-config/m.test(text);
  return (
    first.startsWith("#cloud-config") ||
    !/^(#!|#include|#cloud-|#part-handler|## |content-type:|mime-version:|from )/i.test(first)
  );
}

function part(type: string, content: string): string {
  return `--${boundary}\nContent-Type: ${type}; charset="utf-8"\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\n${ended(content)}`;
}

/** With headers of its own it is a part already; else cloud-init tells its kind by its first line. */
function foreignPart(text: string): string {
  return /^(content-type|mime-version):/i.test(text) ? `--${boundary}\n${ended(text)}` : part("text/plain", text);
}

function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
