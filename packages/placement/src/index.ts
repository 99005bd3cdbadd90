/** Placement: which host takes a workload. Pure: no clock, no I/O. */
export { crc32 } from "./checksum.ts";
export { type Filter, type Reason, standardFilters } from "./filter.ts";
export { free, type HostCandidate, type HostHealth, hostTitle } from "./host-candidate.ts";
export { choose, type Placement, type PlaceOptions, place, type Shortage } from "./place.ts";
export { type Reservation, Reservations } from "./reservations.ts";
export { amount, type Dimension, dimensions, noResources, plus, type Resources } from "./resources.ts";
export {
  balance,
  evenSpread,
  hostSpread,
  imageLocality,
  leastAllocated,
  preferredSpread,
  type Scorer,
  type ScoreWorld,
  standardScorers,
} from "./score.ts";
export type { SpreadGroup, Workload } from "./workload.ts";
