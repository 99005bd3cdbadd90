import assert from "node:assert/strict";
import { test } from "node:test";
import { SingleFlight } from "./single-flight.ts";

test("callers at the same time share one piece of work, later ones begin anew", async () => {
  const flights = new SingleFlight<number>();
  let runs = 0;
  const work = async (): Promise<number> => ++runs;
  assert.deepEqual(
    await Promise.all([flights.run("a", work), flights.run("a", work), flights.run("b", work)]),
    [1, 1, 2],
  );
  assert.equal(await flights.run("a", work), 3);
  assert.equal(flights.size, 0);
});

test("one who leaves does not stop the others; the last one does", async () => {
  const flights = new SingleFlight<string>();
  const aborted = Promise.withResolvers<void>();
  const done = Promise.withResolvers<string>();
  const work = (signal: AbortSignal): Promise<string> => {
    signal.addEventListener("abort", () => aborted.resolve());
    return done.promise;
  };
  const [one, two] = [new AbortController(), new AbortController()];
  const first = flights.run("a", work, one.signal);
  const second = flights.run("a", work, two.signal);
  one.abort();
  await assert.rejects(first, { name: "AbortError" });
  assert.equal(flights.size, 1);
  two.abort();
  await assert.rejects(second, { name: "AbortError" });
  await aborted.promise;
  assert.equal(flights.size, 0);
});

test("a failure is everybody's, and is forgotten", async () => {
  const flights = new SingleFlight<string>();
  const fail = async (): Promise<string> => Promise.reject(new Error("no"));
  await Promise.all([assert.rejects(flights.run("a", fail)), assert.rejects(flights.run("a", fail))]);
  assert.equal(await flights.run("a", async () => "yes"), "yes");
});
