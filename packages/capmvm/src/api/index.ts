/** The API: kinds in the stored version, and the kinds of others that we read. */
export * from "./cluster-api/index.ts";
export * from "./v1beta2/index.ts";
