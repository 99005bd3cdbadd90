/** Bringing a platform up and down, and seeing how it is. */
export { type DownOptions, down } from "./down.ts";
export type { Leftover } from "./leftovers.ts";
export type { GuestControl, Progress, ProgressStage } from "./progress.ts";
export { type ManagementPlaneStatus, type PartStatus, type PlatformStatus, platformStatus } from "./status.ts";
export { type UpOptions, up } from "./up.ts";
