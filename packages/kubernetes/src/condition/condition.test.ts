import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPaused, pausedCondition, watchFilter } from "./cluster-api-marks.ts";
import { type ConditionWanted, findCondition, setCondition } from "./condition.ts";
import { summarizeConditions } from "./summary.ts";

const at = Date.parse("2026-11-23T18:00:00.789Z");
const waits: ConditionWanted = { type: "VMProvisioned", status: "False", reason: "Waiting", message: "for a host" };

describe("conditions", () => {
  test("the time of a transition is whole seconds and moves only with the status", () => {
    const first = setCondition(undefined, waits, at);
    assert.equal(first[0]?.lastTransitionTime, "2026-11-23T18:00:00Z");
    const said = setCondition(first, { ...waits, reason: "StillWaiting", message: "for memory" }, at + 60_000);
    assert.equal(said[0]?.lastTransitionTime, "2026-11-23T18:00:00Z");
    assert.equal(said[0]?.message, "for memory");
    const done = setCondition(said, { ...waits, status: "True", reason: "Provisioned" }, at + 60_000);
    assert.equal(done[0]?.lastTransitionTime, "2026-11-23T18:01:00Z");
  });

  test("saying the same again gives an equal list, in a stable order, and leaves the old one alone", () => {
    const names = ["Paused", "Zeta", "Deleting", "Alpha", "Ready"];
    const all = names.reduce(
      (list, type) => setCondition(list, { type, status: "True", reason: "Is" }, at),
      setCondition(undefined, waits, at),
    );
    assert.deepEqual(
      all.map(({ type }) => type),
      ["Ready", "Alpha", "VMProvisioned", "Zeta", "Deleting", "Paused"],
    );
    const frozen = Object.freeze(all);
    assert.deepEqual(setCondition(frozen, waits, at + 5_000), frozen);
  });
});

describe("the summary", () => {
  const ready = (...conditions: readonly ConditionWanted[]) => {
    const list = conditions.reduce(
      (all, condition) => setCondition(all, condition, at),
      setCondition(undefined, { type: "Paused", status: "False", reason: "NotPaused" }, at),
    );
    return summarizeConditions(list, {
      of: ["Deleting", "BootstrapDataAvailable", "VMProvisioned", "HostReachable"],
      negative: ["Deleting"],
      ignoreIfMissing: ["Deleting", "HostReachable"],
    });
  };
  const has: ConditionWanted = { type: "BootstrapDataAvailable", status: "True", reason: "Is" };

  test("one thing waited for is said as it is", () => {
    assert.deepEqual(ready(has, waits), { type: "Ready", status: "False", reason: "Waiting", message: "for a host" });
  });

  test("several are listed, issues before what is not known, and the first gives the reason", () => {
    const summary = ready(
      { ...has, status: "Unknown", reason: "NoAnswer", message: "" },
      { type: "Deleting", status: "True", reason: "Draining", message: "two\nlines" },
    );
    assert.equal(summary.status, "False");
    assert.equal(summary.reason, "Draining");
    assert.equal(
      summary.message,
      "* Deleting: two\n  lines\n* BootstrapDataAvailable: NoAnswer\n* VMProvisioned: Condition not yet reported",
    );
  });

  test("unknown when something is not known, true when all is well", () => {
    assert.equal(ready(has).status, "Unknown");
    const well = ready(has, { ...waits, status: "True" }, { type: "Deleting", status: "False", reason: "NotDeleting" });
    assert.deepEqual(well, { type: "Ready", status: "True", reason: "Ready", message: "" });
  });
});

describe("marks of Cluster API", () => {
  test("paused by the cluster or by the annotation, with the cause in the message", () => {
    const object = {
      kind: "MicrovmMachine",
      metadata: { annotations: { "cluster.x-k8s.io/paused": "" }, generation: 3 },
    };
    assert.equal(isPaused(undefined, {}), false);
    assert.equal(isPaused({ spec: { paused: true } }, {}), true);
    assert.equal(isPaused(undefined, object), true);
    assert.equal(
      pausedCondition({ spec: { paused: true } }, object).message,
      "Cluster spec.paused is set to true, MicrovmMachine has the cluster.x-k8s.io/paused annotation",
    );
    const list = setCondition(undefined, pausedCondition(undefined, {}), at);
    assert.equal(findCondition(list, "Paused")?.reason, "NotPaused");
  });

  test("a watch filter lets its own objects pass", () => {
    const object = { metadata: { labels: { "cluster.x-k8s.io/watch-filter": "blue" } } };
    assert.deepEqual([watchFilter("")({}), watchFilter("blue")(object), watchFilter("blue")({})], [true, true, false]);
  });
});
