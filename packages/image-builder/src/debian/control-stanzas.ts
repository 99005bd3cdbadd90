/**
 * Debian's control format (deb822): stanzas of `Key: value` lines, separated by empty lines, continued lines begin with a blank. apt's answers, package
 * indexes and dpkg's status are written in it.
 */
import type { Software } from "../steps/input.ts";

/** The fields of one stanza by lower-case name; continued lines are joined by line feeds. */
export type ControlFields = ReadonlyMap<string, string>;

/** The stanzas as they are written, without the empty lines between them. */
export function splitStanzas(text: string): string[] {
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const trimmed = stanza.replace(/^\n+|\n+$/g, "");
    return trimmed === "" ? [] : [trimmed];
  });
}

export function controlFields(stanza: string): ControlFields {
  const fields = new Map<string, string>();
  let current = "";
  for (const line of stanza.split("\n")) {
    const [, name, value = ""] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (/^[ \t]/.test(line)) fields.set(current, `${fields.get(current) ?? ""}\n${line.trim()}`);
    else if (name !== undefined) {
      current = name.toLowerCase();
      fields.set(current, value.trim());
    }
  }
  return fields;
}

export interface PackageIdentity {
  readonly name: string;
  readonly version: string;
  /** `amd64`, `arm64` or `all`. */
  readonly architecture: string;
  /** The source package that it was built from. */
  readonly source: string;
  readonly sourceVersion: string;
}

/** Who a package is. Undefined when the stanza names no package: damaged, or of another kind. */
export function packageIdentity(fields: ControlFields): PackageIdentity | undefined {
  const name = fields.get("package");
  const version = fields.get("version");
  const architecture = fields.get("architecture");
  if (name === undefined || version === undefined || architecture === undefined) return undefined;
  // "Source: glibc", or with another version than the package's: "Source: util-linux (2.38.1-5)".
  const [, source = name, sourceVersion = version] = /^(\S+)(?: \((\S+)\))?$/.exec(fields.get("source") ?? "") ?? [];
  return { name, version, architecture, source, sourceVersion };
}

/** The installed packages that dpkg's status file lists, by name. Removed ones whose configuration is left do not count. */
export function installedPackages(status: string): ReadonlyMap<string, PackageIdentity> {
  const installed = new Map<string, PackageIdentity>();
  for (const stanza of splitStanzas(status)) {
    const fields = controlFields(stanza);
    const identity = packageIdentity(fields);
    if (identity !== undefined && fields.get("status")?.endsWith(" installed")) installed.set(identity.name, identity);
  }
  return installed;
}

/** `pkg:deb/debian/systemd@252.39-1?arch=amd64`, after the purl specification: what is not plain is percent-encoded. */
export function packageUrl(vendor: string, { name, version, architecture }: PackageIdentity): string {
  const encoded = (part: string): string => encodeURIComponent(part);
  return `pkg:deb/${vendor}/${encoded(name)}@${encoded(version)}?arch=${architecture}`;
}

/** One line of the bill of materials. */
export function packageSoftware(
  vendor: string,
  identity: PackageIdentity,
  sha256?: string,
  license?: string,
): Software {
  const { name, version, source } = identity;
  return {
    name,
    version,
    purl: packageUrl(vendor, identity),
    ...(source !== name && { source }),
    ...(license !== undefined && { license }),
    ...(sha256 !== undefined && { digest: `sha256:${sha256}` }),
  };
}
