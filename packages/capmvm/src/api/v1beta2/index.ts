/** API version v1beta2: the stored one, named after the contract of Cluster API that it meets. */
export * from "./conditions.ts";
export * from "./machine-spec.ts";
export * from "./microvm-cluster.ts";
export * from "./microvm-cluster-template.ts";
export * from "./microvm-machine.ts";
export * from "./microvm-machine-pool.ts";
export * from "./microvm-machine-pool-template.ts";
export * from "./microvm-machine-template.ts";
export * from "./names.ts";
export * from "./provider-id.ts";
export * from "./template-metadata.ts";
