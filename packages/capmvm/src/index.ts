/** The Cluster API provider: a Machine becomes a microVM on some host. */
export type * from "./hosts/host.ts";
