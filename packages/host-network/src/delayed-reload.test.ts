import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { DelayedReload } from "./delayed-reload.ts";

test("many deletions cost one reload; an address that is given again does not wait for it", async () => {
  const clock = new FakeClock();
  let reloads = 0;
  const reload = new DelayedReload(clock, async () => {
    reloads++;
  });
  for (let number = 0; number < 100; number++) reload.later(`10.0.0.${number}`);
  assert.equal(reload.concerns("10.0.0.7"), true);
  assert.equal(reload.concerns("10.0.1.7"), false);
  await clock.advance(1_000);
  assert.deepEqual([reloads, reload.concerns("10.0.0.7"), clock.pendingTimers], [1, false, 0]);
  reload.later("10.0.0.7");
  await reload.now();
  await clock.advance(1_000);
  await reload.flush();
  assert.equal(reloads, 2);
});
