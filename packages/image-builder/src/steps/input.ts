/** What goes into an image, each thing with its digest: the material of cache keys, SBOM and provenance. */

export type InputKind =
  | "debian-package"
  | "go-module"
  /** A file or folder of the recipe. */
  | "file"
  /** A file fetched from where the recipe says. */
  | "archive"
  /** An OCI image: what `from` names, or a container image that is put into a store. */
  | "image"
  /** A program of this machine whose version changes the result: a compiler. */
  | "tool";

export interface Input {
  readonly kind: InputKind;
  readonly name: string;
  /** Absent where there is none: files of the recipe. */
  readonly version?: string;
  /** `sha256:<hex>`; of Go modules their `h1:<base64>`; of tools a digest of what they say of themselves. */
  readonly digest: string;
  /** A package URL, as in `pkg:deb/debian/systemd@252.39-1?arch=amd64`. Absent where the kind has none. */
  readonly purl?: string;
}

/** A piece of software that lies in the image: one line of its bill of materials. */
export interface Software {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  /** An SPDX expression. Absent = not asserted. */
  readonly license?: string;
  /** Name of the source package, where it differs. */
  readonly source?: string;
  /** `sha256:<hex>` or `h1:<base64>` of what it was installed from. */
  readonly digest?: string;
}
