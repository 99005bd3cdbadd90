/**
 * What the command line needs of the image builder, as a port: the commands are tested with a fake, and `lm vm list` never loads the library.
 *
 * Implemented by library-builder.ts on @liquidmetal/image-builder. All calls throw PlatformError; all are cancelled by their signal and leave nothing.
 */

export type Architecture = "amd64" | "arm64";

export interface BuildRequest {
  /** A shipped name, as in `base/tiny`, or the path of a YAML file. */
  readonly recipe: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Empty = the machine's. */
  readonly architectures: readonly Architecture[];
  /** Absent = the user's. */
  readonly cacheDirectory?: string;
  /** Makes every layer again. */
  readonly rebuild: boolean;
  readonly onEvent?: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

export interface BuildEvent {
  readonly image: string;
  readonly layer?: string;
  readonly stage: "resolve" | "build" | "pack" | "assemble" | "done";
  readonly cached?: boolean;
  readonly text: string;
  readonly done?: number;
  readonly total?: number;
  readonly sizeBytes?: number;
  readonly elapsedMs: number;
}

export interface PlannedLayer {
  readonly name: string;
  readonly kind: string;
  readonly cached: boolean;
  /** Known of cached layers only. */
  readonly sizeBytes: number | undefined;
  readonly inputs: number;
}

export interface Plan {
  readonly image: string;
  readonly reference: string;
  readonly platforms: readonly {
    readonly architecture: Architecture;
    readonly cached: boolean;
    readonly layers: readonly PlannedLayer[];
  }[];
}

export interface Built {
  /** Names this very content. */
  readonly reference: string;
  readonly references: readonly string[];
  /** OCI layout directory in the cache: read only. */
  readonly layout: string;
  readonly digest: string;
  readonly manifests: readonly { readonly architecture: Architecture; readonly digest: string }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  readonly cached: boolean;
  readonly durationMs: number;
}

export interface Parameter {
  readonly description: string;
  readonly default?: string;
  readonly pattern?: string;
  readonly tested?: readonly string[];
}

export interface RecipeSummary {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly architectures: readonly Architecture[];
  readonly path: string;
}

/** Where an image goes, besides the host. */
export type FileDestination =
  | { readonly kind: "oci"; readonly path: string }
  | { readonly kind: "oci-archive"; readonly path: string }
  | { readonly kind: "ext4"; readonly path: string }
  | { readonly kind: "registry"; readonly reference: string };

export interface WriteOptions {
  /** Names in the output; empty = those of the image. */
  readonly references: readonly string[];
  /** Replaces what is there. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly registry: RegistryAccess;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Absent = what docker and containerd of this machine use. */
export interface RegistryAccess {
  readonly authFile?: string;
  readonly hostsDirectory?: string;
}

/** An image as its files say it is. */
export interface ImageContents {
  readonly references: readonly string[];
  readonly digest: string;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platforms: readonly PlatformContents[];
}

export interface PlatformContents {
  /** As in `linux/amd64`. */
  readonly platform: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly createdAt: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly sizeBytes: number;
    /** What the recipe calls it; absent in images from elsewhere. */
    readonly name?: string;
  }[];
  /** Documents that are attached to it. */
  readonly sbom?: AttachedDocument;
  readonly provenance?: AttachedDocument;
}

export interface AttachedDocument {
  readonly digest: string;
  readonly mediaType: string;
  readonly document: unknown;
}

export interface CachedEntry {
  /** `download`: packages and compiled programs that layers are made of. */
  readonly kind: "image" | "layer" | "download";
  readonly name: string;
  readonly key: string;
  /** Of everything in it, shared with others or not. */
  readonly sizeBytes: number;
  readonly usedAtMs: number;
  /** A build that runs holds it. */
  readonly inUse: boolean;
}

export interface PruneOptions {
  readonly maxBytes?: number;
  readonly olderThanMs?: number;
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly cacheDirectory?: string;
  readonly signal: AbortSignal;
}

export interface Pruned {
  readonly removed: readonly CachedEntry[];
  readonly freedBytes: number;
  readonly keptBytes: number;
}

export interface LockRequest {
  readonly module: string;
  /** With its v. */
  readonly version: string;
  readonly packages: readonly string[];
  readonly tags: readonly string[];
  readonly directory: string;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface WrittenLock {
  readonly directory: string;
  readonly goVersion: string;
  readonly moduleCount: number;
}

export interface ImageBuilder {
  plan(request: BuildRequest): Promise<Plan>;
  build(request: BuildRequest): Promise<Built>;
  recipes(): Promise<readonly RecipeSummary[]>;
  /** Refuses early what cannot be written. */
  checkDestination(destination: FileDestination, force: boolean): Promise<void>;
  /** Writes the image of an OCI layout directory. Answers with its digest there. */
  write(layout: string, destination: FileDestination, options: WriteOptions): Promise<string>;
  /** `path`: an OCI layout directory, or an archive of one. */
  read(path: string, signal: AbortSignal): Promise<ImageContents>;
  /** The same of an image in a registry: its documents are fetched, its layers are not. */
  readRemote(reference: string, registry: RegistryAccess, signal: AbortSignal): Promise<ImageContents>;
  /** Checks every digest of an OCI layout directory. Answers with how much was checked. Throws IMAGE_CORRUPT. */
  checkDigests(layout: string, signal: AbortSignal): Promise<{ readonly blobs: number; readonly sizeBytes: number }>;
  /** Writes go.mod and go.sum of a Go program that recipes compile. */
  lock(request: LockRequest): Promise<WrittenLock>;
  /** The most recently used first. `totalBytes` counts what entries share once. */
  cached(
    cacheDirectory: string | undefined,
  ): Promise<{ readonly entries: readonly CachedEntry[]; readonly totalBytes: number }>;
  /** Removes, or with `dryRun` says what it would remove. */
  prune(options: PruneOptions): Promise<Pruned>;
}
