/** What the bill of materials and the provenance of one platform's image are made from: everything that the builder knows at the end of a build. */
import type { Input, Software } from "../steps/input.ts";
import type { Architecture } from "../steps/step-kind.ts";

export interface DescribedImage {
  /** As in `liquidmetal.local/base/debian-12:12-0a1b2c3d`. */
  readonly reference: string;
  readonly version: string;
  readonly architecture: Architecture;
  /** The image's date in seconds since 1970: the only time in both documents. */
  readonly dateSeconds: number;
  /** `sha256:<hex>` of the platform's manifest. */
  readonly manifestDigest: string;
  /** `digest`: `sha256:<hex>` of the recipe as it was written. */
  readonly recipe: { readonly name: string; readonly digest: string };
  readonly parameters: Readonly<Record<string, string>>;
  /** SPDX expression of what the recipe itself adds. Absent = not asserted. */
  readonly licenses?: string;
  /** From the bottom up, those of the images below (`from`) first. */
  readonly layers: readonly DescribedLayer[];
  readonly software: readonly Software[];
  readonly inputs: readonly Input[];
}

export interface DescribedLayer {
  /** `sha256:<hex>` of the blob. */
  readonly digest: string;
  /** As in `debian`, or the name that the recipe gave it. */
  readonly name: string;
}

/** A document that is stored beside the image and refers to it. */
export interface Attachment {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly blob: Buffer;
}

export const spdxMediaType = "application/spdx+json";
export const inTotoMediaType = "application/vnd.in-toto+json";

/** Each thing once, in an order that depends on nothing but the things: by `key`, the first of equals kept. */
export function distinct<T>(things: readonly T[], key: (thing: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const thing of things) if (!byKey.has(key(thing))) byKey.set(key(thing), thing);
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, thing]) => thing);
}

/** Lowercase hexadecimal of a `sha256:<hex>` or of Go's `h1:<base64>` (which is a SHA-256 as well); undefined of anything else. */
export function digestHex(digest: string): { readonly algorithm: "sha256" | "h1"; readonly hex: string } | undefined {
  const plain = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (plain !== undefined) return { algorithm: "sha256", hex: plain };
  const base64 = /^h1:([A-Za-z0-9+/]{43}=)$/.exec(digest)?.[1];
  return base64 === undefined ? undefined : { algorithm: "h1", hex: Buffer.from(base64, "base64").toString("hex") };
}

/** RFC 3339 in whole seconds, UTC. */
export const rfc3339 = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
