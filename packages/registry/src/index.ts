/** OCI registries: references, the documents of images, and a client for the distribution specification. */
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
  platformText,
  wrongPlatform,
} from "./image-documents.ts";
export { type ImageReference, parseReference } from "./reference.ts";
export { type FetchedDocument, RegistryClient, type RegistryOptions } from "./registry-client.ts";
