/** What is asked of a host's Watch after interruptions; the host is played. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchResponse_Type as Type } from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostFeed } from "./host-feed.ts";
import { type HostRun, Watching } from "./watching.ts";

const feed: HostFeed = { put: () => {}, remove: () => {}, keepOnly: () => {}, synced: () => {}, facts: () => {} };
const signal = new AbortController().signal;

/** Streams that say these positions after a snapshot, or break off before it is complete. */
function played(): { readonly asked: string[]; follow(run: HostRun, synced: boolean): Promise<void> } {
  const asked: string[] = [];
  const watching = new Watching(feed);
  return {
    asked,
    follow: async (run, synced) => {
      const watch = async function* ({ snapshot = false, afterPosition = 0n }): AsyncGenerator<object> {
        asked.push(snapshot ? "snapshot" : `after ${afterPosition}`);
        if (synced && snapshot) yield { type: Type.SYNCED, position: run.lastPosition };
        throw new PlatformError("UNAVAILABLE", "Connection dropped");
      };
      const connection = { host: { watch } } as unknown as Connection;
      await assert.rejects(
        watching.follow(connection, run, () => {}, signal),
        { code: "UNAVAILABLE" },
      );
    },
  };
}

test("a watch is resumed on the same run of a host, and begun afresh on another", async () => {
  const { asked, follow } = played();
  const run = { hostId: "h", startedAt: "1.0", lastPosition: 7n };
  await follow(run, true);
  await follow(run, true);
  await follow({ ...run, startedAt: "2.0" }, true);
  assert.deepEqual(asked, ["snapshot", "after 7", "snapshot"]);
});

test("a snapshot of a new run that breaks off is begun again: the position of the earlier run means nothing there", async () => {
  const { asked, follow } = played();
  await follow({ hostId: "h", startedAt: "1.0", lastPosition: 7n }, true);
  const reinstalled = { hostId: "other", startedAt: "2.0", lastPosition: 9n };
  await follow(reinstalled, false);
  await follow(reinstalled, false);
  await follow(reinstalled, true);
  assert.deepEqual(asked, ["snapshot", "snapshot", "snapshot", "snapshot"]);
});
