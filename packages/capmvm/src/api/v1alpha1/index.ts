/** API version v1alpha1: upstream's, served and not stored. */
export * from "./condition.ts";
export * from "./machine-spec.ts";
export * from "./microvm-cluster.ts";
export * from "./microvm-machine.ts";
