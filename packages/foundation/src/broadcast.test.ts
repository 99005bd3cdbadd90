import assert from "node:assert/strict";
import { test } from "node:test";
import { Broadcast, type Subscription } from "./broadcast.ts";

async function collect<T>(subscription: Subscription<T>): Promise<readonly T[]> {
  const values: T[] = [];
  for await (const value of subscription) values.push(value);
  return values;
}

test("every subscriber gets every value from then on, in order", async () => {
  const broadcast = new Broadcast<number>();
  const early = broadcast.subscribe();
  broadcast.publish(1);
  const late = broadcast.subscribe();
  const heard: number[] = [];
  using _listening = broadcast.listen((value) => heard.push(value));
  broadcast.publish(2);
  broadcast.publish(3);
  broadcast.close();
  assert.deepEqual(
    [await collect(early), await collect(late), heard],
    [
      [1, 2, 3],
      [2, 3],
      [2, 3],
    ],
  );
});

test("a slow subscriber is ended with overflow, after what it had room for; the others notice nothing", async () => {
  const broadcast = new Broadcast<number>();
  const slow = broadcast.subscribe({ capacity: 2 });
  const fast = broadcast.subscribe();
  for (let value = 0; value < 5; value++) broadcast.publish(value);
  assert.ok(slow.overflowed && !fast.overflowed);
  assert.deepEqual(await collect(slow), [0, 1]);
  broadcast.close();
  assert.equal((await collect(fast)).length, 5);
});

test("a subscription ends with its signal, by disposal, or when its reader breaks off", async () => {
  const broadcast = new Broadcast<number>();
  const controller = new AbortController();
  const signalled = collect(broadcast.subscribe({ signal: controller.signal }));
  const disposed = broadcast.subscribe();
  const broken = broadcast.subscribe();
  broadcast.publish(1);
  for await (const value of broken) {
    assert.equal(value, 1);
    break;
  }
  controller.abort();
  disposed[Symbol.dispose]();
  assert.deepEqual(await signalled, [1]);
  assert.deepEqual(await collect(broadcast.subscribe({ signal: controller.signal })), []);
  assert.equal(broadcast.subscribers, 0);
});
