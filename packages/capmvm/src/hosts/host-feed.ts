/** What a follower of a host feeds: the view, facts and health of the host, and through them everybody who listens. */
import type { HostFacts, HostMicroVm } from "./host.ts";

export interface HostFeed {
  put(microVm: HostMicroVm): void;
  remove(uid: string): void;
  /** A complete list was taken: everything else (of that namespace) is gone. */
  keepOnly(seen: ReadonlySet<string>, namespace?: string): void;
  /** What is known is what the host has now. */
  synced(): void;
  facts(facts: HostFacts): void;
}
