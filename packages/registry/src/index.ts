/** OCI registries: references, the documents of images, and a client for the distribution specification. */

export { type FetchedImage, type FetchOptions, fetchImage } from "./fetch.ts";
export {
  chainIds,
  check,
  choosePlatform,
  type Descriptor,
  digestOf,
  documentMaxBytes,
  hostPlatform,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  matches,
  mediaTypes,
  type Platform,
  parseConfig,
  parseDocument,
  parseJson,
  parseStoredDocument,
  platformText,
  type StoredDocument,
  wrongPlatform,
} from "./image-documents.ts";
export { readBlob, readManifest } from "./patient-reading.ts";
export { type PushOptions, pushImage } from "./push.ts";
export { type ImageReference, parseReference } from "./reference.ts";
export { type FetchedDocument, RegistryClient } from "./registry-client.ts";
export { type RetryOptions, withRetries } from "./retry.ts";
export type { RegistryOptions } from "./session.ts";
export type { ContentSink, ContentSource, TransferOptions, TransferProgress } from "./transfer.ts";
