/** What others own and we read. */
export * from "./core.ts";
export * from "./ipam.ts";
export * from "./secret.ts";
