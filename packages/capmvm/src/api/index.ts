/** The API: kinds in the stored version, and the kinds of others that we read. */
export * from "./cluster-api/index.ts";
export { convertObject } from "./conversion/convert.ts";
export { sameJson } from "./conversion/losses.ts";
export { crds } from "./definitions.ts";
export * from "./v1beta2/index.ts";
