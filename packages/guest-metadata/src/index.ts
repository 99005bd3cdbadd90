/** What a guest is told about itself: cloud-init documents and the seed disk. */
export { NoCloudMetadata, seedFileName } from "./no-cloud-metadata.ts";
