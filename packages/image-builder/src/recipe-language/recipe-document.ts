/**
 * A recipe as it is written: YAML, checked by this schema, which also is the published JSON schema.
 *
 * Strings may hold `${parameters.NAME}` (also as `${NAME}`), `${architecture}` and, in `version`, `labels` and `boot`, `${facts.NAME}` of the steps.
 */

/** How the image is used: written to labels `dev.liquidmetal.*`, which `lm vm create` and the drivers read. Sizes in MiB. */
export interface BootDescription {
  /** Paths in the image, without a leading slash. */
  readonly kernel?: string;
  readonly elfKernel?: string;
  readonly initrd?: string;
  /** Kernel arguments that the image wants. */
  readonly arguments?: string;
  /** Devices without which it does not boot, as in `virtio-blk`. */
  readonly devices?: readonly string[];
  readonly recommendedVcpu?: number;
  readonly recommendedMemoryMiB?: number;
  readonly minimumMemoryMiB?: number;
  /** Smallest root volume. */
  readonly minimumDiskMiB?: number;
}

export interface RecipeParameter {
  readonly description: string;
  /** Absent = must be given. */
  readonly default?: string;
  /** A regular expression that the whole value has to match. */
  readonly pattern?: string;
  /** Values that it was tested with. */
  readonly tested?: readonly string[];
}

export interface RecipeDocument {
  /** As in `node/kubernetes`: the image is `liquidmetal.local/<name>`. */
  readonly name: string;
  readonly title: string;
  readonly description?: string;
  /** Tag of the image. */
  readonly version: string;
  /** RFC 3339 date: the age of the image and of every file in it that would be younger. */
  readonly date: string;
  readonly licenses?: string;
  readonly architectures: readonly ("amd64" | "arm64")[];
  readonly parameters?: Readonly<Record<string, RecipeParameter>>;
  /** Further variables that follow from a parameter (or a variable of a table above): those of the row whose key is the longest prefix of its value, by parts between dots. */
  readonly tables?: readonly {
    readonly by: string;
    readonly rows: Readonly<Record<string, Readonly<Record<string, string>>>>;
  }[];
  /** The image below: another recipe (`base/debian-12`, `./other.yaml`), `oci:DIR`, `oci-archive:FILE`, or a registry reference with a digest. */
  readonly from?: string | { readonly recipe: string; readonly parameters?: Readonly<Record<string, string>> };
  readonly labels?: Readonly<Record<string, string>>;
  readonly boot?: BootDescription;
  /** The OCI image's own configuration. */
  readonly config?: {
    readonly entrypoint?: readonly string[];
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly user?: string;
    readonly workingDirectory?: string;
  };
  /** From the bottom up, each a mapping with one key: the kind of step; beside it an optional `name`. */
  readonly layers: readonly RecipeLayer[];
  /** zstd (default) or gzip. */
  readonly compression?: "zstd" | "gzip";
}

export interface RecipeLayer {
  /** Its place in the file, from 0. */
  readonly index: number;
  /** Default: the kind. */
  readonly name: string;
  /** Only for this architecture. */
  readonly architecture?: "amd64" | "arm64";
  readonly kind: string;
  /** As written, variables still in it. */
  readonly fields: unknown;
}
