/** Flintlock hosts, as capmvm sees and reaches them. */
export type * from "./host.ts";
