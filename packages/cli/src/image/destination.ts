/** Where `lm image build --output` puts the image, as people write it. */
import { isOutputFormat } from "../output/format.ts";
import { type FlagValues, usage } from "../program/flag-values.ts";
import type { Architecture, FileDestination, RegistryAccess } from "./builder-port.ts";

export type Destination = FileDestination | { readonly kind: "containerd" };

const forms = "oci:DIR, oci-archive:FILE, ext4:FILE, containerd or registry:REF";

/** Forms of output (`json`) among the values are passed over: they say how the result is told. Throws REQUEST_INVALID. */
export function parseDestinations(values: readonly string[]): readonly Destination[] {
  const destinations = values.filter((value) => !isOutputFormat(value)).map(parseDestination);
  const names = destinations.map(destinationName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw usage(`--output ${twice} is given twice`);
  return destinations;
}

function parseDestination(text: string): Destination {
  if (text === "containerd") return { kind: "containerd" };
  const [, kind = "", rest = ""] = /^([a-z0-9-]+):(.*)$/s.exec(text) ?? [];
  if (rest !== "") {
    if (kind === "oci" || kind === "oci-archive" || kind === "ext4") return { kind, path: rest };
    if (kind === "registry") return { kind, reference: rest };
  }
  throw usage(
    `'${text}' is no output`,
    `write ${forms}; or table, wide, json, yaml or name for the form of the result`,
  );
}

/** What --registry-auth-file and --registry-hosts-dir say. */
export function registryAccess(flags: FlagValues): RegistryAccess {
  const authFile = flags.text("registry-auth-file");
  const hostsDirectory = flags.text("registry-hosts-dir");
  return {
    ...(authFile === undefined ? {} : { authFile }),
    ...(hostsDirectory === undefined ? {} : { hostsDirectory }),
  };
}

/** As it was written. */
export function destinationName(destination: Destination): string {
  switch (destination.kind) {
    case "containerd":
      return "containerd";
    case "registry":
      return `registry:${destination.reference}`;
    case "oci":
    case "oci-archive":
    case "ext4":
      return `${destination.kind}:${destination.path}`;
    default:
      return destination satisfies never;
  }
}

/**
 * `linux/amd64,linux/arm64`, once or several times. A value without a slash is passed over: it names the local platform, as everywhere.
 * Throws REQUEST_INVALID.
 */
export function parsePlatforms(values: readonly string[]): readonly Architecture[] {
  const architectures = values
    .filter((value) => value.includes("/"))
    .flatMap((value) => value.split(","))
    .map((text): Architecture => {
      if (text === "linux/amd64") return "amd64";
      if (text === "linux/arm64") return "arm64";
      throw usage(`'${text}' is no platform of images`, "there are linux/amd64 and linux/arm64");
    });
  return [...new Set(architectures)];
}
