/** A plane for a supervisor that is not of this package: files, plans, manifests, and the keeper that looks after them while it runs. */
export type { ManifestSet } from "../keeper/keeper-configuration.ts";
export { capmvmVersion } from "./capmvm-plan.ts";
export { embeddedFiles } from "./embedded-files.ts";
export { type EmbeddedPlane, embeddedPlane, keeperName } from "./embedded-plane.ts";
export { writeKeeperConfiguration } from "./keeper-files.ts";
export {
  type PlaneManifestsOptions,
  type ProviderManifests,
  planeManifests,
  providerManifests,
} from "./plane-manifests.ts";
export { keptPlanePorts, keptPorts, openPorts, type PlanePorts, usualPlanePorts } from "./plane-ports.ts";
