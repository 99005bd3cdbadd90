/**
 * OCI and Docker image documents: indexes, manifests, configurations. Whatever comes from outside is checked here, and bounded.
 *
 * Source: OCI image specification 1.1, and Docker's image manifest version 2, schema 2, which differs in media types only.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platform?: Platform;
  /** In indexes of referrers: what the manifest is. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface ImageIndex {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}

export interface ImageManifest {
  readonly kind: "manifest";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageConfig {
  readonly platform: Platform | undefined;
  readonly diffIds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** No manifest, index or configuration is larger. */
export const documentMaxBytes: number = 4 * 1024 * 1024;
/** The largest layer we take, bytes: 64 GiB. */
const blobMaxBytes = 64 * 1024 ** 3;

export const mediaTypes = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
} as const;

const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "not a sha256 digest");
const stringMap = z.record(z.string(), z.string()).nullish();
const platformSchema = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });
const descriptorSchema = z.object({
  mediaType: z.string().max(255).default(""),
  digest: digestSchema,
  size: z.number().int().min(0).max(blobMaxBytes),
  platform: platformSchema.nullish(),
  annotations: stringMap,
});
const indexSchema = z.object({
  manifests: z.array(descriptorSchema.extend({ artifactType: z.string().max(255).nullish() })).max(1_000),
  annotations: stringMap,
  subject: descriptorSchema.nullish(),
});
const manifestSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(1_000),
  annotations: stringMap,
  artifactType: z.string().max(255).nullish(),
  subject: descriptorSchema.nullish(),
});
const configSchema = z.object({
  os: z.string().optional(),
  architecture: z.string().optional(),
  variant: z.string().optional(),
  rootfs: z.object({ diff_ids: z.array(digestSchema).max(1_000) }),
  config: z.object({ Labels: stringMap }).nullish(),
});

/** An index or manifest of whatever it is: image, or artifact that is attached to one. */
export interface StoredDocument {
  readonly kind: "index" | "manifest";
  /** Manifests of an index. */
  readonly manifests: readonly Descriptor[];
  /** Configuration and layers of a manifest. */
  readonly blobs: readonly Descriptor[];
  /** What it is attached to. */
  readonly subject?: Descriptor;
  /** Of a manifest; where it says none, the type of its configuration counts. */
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Reads an index or manifest for what it refers to, without asking whether it is an image. IMAGE_CORRUPT. */
export function parseStoredDocument(bytes: Uint8Array, name: string): StoredDocument {
  const json = parseJson(bytes, name);
  if ("manifests" in json) {
    const { manifests, annotations, subject } = check(indexSchema, json, name);
    return {
      kind: "index",
      manifests: manifests.map(descriptorOf),
      blobs: [],
      artifactType: "",
      annotations: annotations ?? {},
      ...(subject != null && { subject: descriptorOf(subject) }),
    };
  }
  const { config, layers, annotations, artifactType, subject } = check(manifestSchema, json, name);
  return {
    kind: "manifest",
    manifests: [],
    blobs: [config, ...layers].map(descriptorOf),
    artifactType: artifactType ?? config.mediaType,
    annotations: annotations ?? {},
    ...(subject != null && { subject: descriptorOf(subject) }),
  };
}

/** Reads an index or manifest; what it is decides its own shape, the media type only when both would do. */
export function parseDocument(bytes: Uint8Array, name: string): ImageIndex | ImageManifest {
  const json = parseJson(bytes, name);
  if ("manifests" in json) {
    return { kind: "index", manifests: check(indexSchema, json, name).manifests.map(descriptorOf) };
  }
  if (json["schemaVersion"] === 1) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${name} is a Docker schema 1 manifest, which nobody should make any more`,
    );
  }
  const manifest = check(manifestSchema, json, name);
  const config = descriptorOf(manifest.config);
  if (config.mediaType !== mediaTypes.ociConfig && config.mediaType !== mediaTypes.dockerConfig) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${name} is not an image: its configuration is of type '${config.mediaType}'`,
    );
  }
  if (manifest.layers.length === 0) throw new PlatformError("IMAGE_CORRUPT", `${name} has no layers`);
  return {
    kind: "manifest",
    config,
    layers: manifest.layers.map(descriptorOf),
    annotations: manifest.annotations ?? {},
  };
}

export function parseConfig(bytes: Uint8Array, name: string): ImageConfig {
  const { os, architecture, variant, rootfs, config } = check(configSchema, parseJson(bytes, name), name);
  const platform =
    os === undefined || architecture === undefined || architecture === ""
      ? undefined
      : { os, architecture, ...(variant === undefined ? {} : { variant }) };
  return { platform, diffIds: rootfs.diff_ids, labels: config?.Labels ?? {} };
}

/** JSON of at most 4 MiB whose top is an object, else IMAGE_CORRUPT. */
export function parseJson(bytes: Uint8Array, name: string): Record<string, unknown> {
  if (bytes.length > documentMaxBytes)
    throw new PlatformError("IMAGE_CORRUPT", `${name} is larger than ${documentMaxBytes} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new PlatformError("IMAGE_CORRUPT", `${name} is not JSON`, { cause: error });
  }
  if (typeof json !== "object" || json === null)
    throw new PlatformError("IMAGE_CORRUPT", `${name} is not a JSON object`);
  return json as Record<string, unknown>;
}

/** Checks against a schema; the first problem becomes IMAGE_CORRUPT. */
export function check<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new PlatformError("IMAGE_CORRUPT", `${name}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}

function descriptorOf(
  raw: z.output<typeof descriptorSchema> & { readonly artifactType?: string | null | undefined },
): Descriptor {
  const platform = raw.platform;
  return {
    mediaType: raw.mediaType,
    digest: raw.digest,
    sizeBytes: raw.size,
    ...(platform == null
      ? {}
      : {
          platform: {
            os: platform.os,
            architecture: platform.architecture,
            ...(platform.variant === undefined ? {} : { variant: platform.variant }),
          },
        }),
    ...(raw.annotations == null ? {} : { annotations: raw.annotations }),
    ...(raw.artifactType == null ? {} : { artifactType: raw.artifactType }),
  };
}

export function platformText({ os, architecture, variant }: Platform): string {
  return variant === undefined || variant === "" ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** This host's platform, in OCI's words. */
export function hostPlatform(): Platform {
  const architectures: Readonly<Record<string, string>> = {
    x64: "amd64",
    arm64: "arm64",
    riscv64: "riscv64",
    ppc64: "ppc64le",
    s390x: "s390x",
  };
  return { os: "linux", architecture: architectures[process.arch] ?? process.arch };
}

/** Variants are not compared: within one architecture of ours (amd64, arm64) the base variant runs everywhere. */
export function matches(wanted: Platform, offered: Platform): boolean {
  return wanted.os === offered.os && wanted.architecture === offered.architecture;
}

/** The manifest of an index for a platform. IMAGE_WRONG_PLATFORM names what there is. */
export function choosePlatform(index: ImageIndex, wanted: Platform, name: string): Descriptor {
  // Attestations (BuildKit) stand in indexes as manifests for unknown/unknown.
  const real = index.manifests.filter((one) => one.platform?.os !== "unknown");
  const found = real.find((one) => one.platform !== undefined && matches(wanted, one.platform));
  const only = real.length === 1 && real[0]?.platform === undefined ? real[0] : undefined;
  const chosen = found ?? only;
  if (chosen !== undefined) return chosen;
  const offered = real.flatMap((one) => (one.platform === undefined ? [] : [platformText(one.platform)]));
  throw wrongPlatform(name, wanted, offered);
}

export function wrongPlatform(name: string, wanted: Platform, offered: readonly string[]): PlatformError {
  const there = offered.length === 0 ? "nothing that says its platform" : offered.join(", ");
  return new PlatformError(
    "IMAGE_WRONG_PLATFORM",
    `${name}: this host needs ${platformText(wanted)}, the image has ${there}`,
  );
}

/** Chain ids of the layers, bottom first (OCI image specification, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}

export function digestOf(data: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}
