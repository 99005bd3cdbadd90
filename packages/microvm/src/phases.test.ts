import assert from "node:assert/strict";
import { test } from "node:test";
import { canTransition, type Phase, phases, transitions, wireState } from "./phases.ts";

test("every phase has its row, and every row names phases, each once, never itself", () => {
  assert.deepEqual(Object.keys(transitions).sort(), [...phases].sort());
  for (const [from, to] of Object.entries(transitions)) {
    assert.equal(new Set(to).size, to.length, from);
    for (const phase of to) assert.ok(phases.includes(phase) && phase !== from, `${from} to ${phase}`);
  }
});

test("deletion is possible from everywhere and has one end", () => {
  assert.deepEqual(transitions.deleted, []);
  assert.deepEqual(transitions.deleting, ["deleted"]);
  for (const phase of phases) if (phase !== "deleted") assert.ok(canTransition(phase, "deleting"), phase);
});

test("failed is no dead end: it leads everywhere a microVM can be", () => {
  const living: readonly Phase[] = ["pending", "preparing", "starting", "running", "paused", "stopping", "stopped"];
  for (const phase of living) assert.ok(canTransition("failed", phase) && canTransition(phase, "failed"), phase);
});

test("every phase can be reached from pending", () => {
  const seen = new Set<Phase>(["pending"]);
  for (const phase of seen) for (const next of transitions[phase]) seen.add(next);
  assert.deepEqual([...seen].sort(), [...phases].sort());
});

test("each phase is one of upstream's four states", () => {
  const states = Object.fromEntries(phases.map((phase) => [phase, wireState(phase)]));
  assert.deepEqual(states, {
    pending: "PENDING",
    preparing: "PENDING",
    starting: "PENDING",
    running: "CREATED",
    paused: "CREATED",
    stopping: "CREATED",
    stopped: "CREATED",
    failed: "FAILED",
    deleting: "DELETING",
    deleted: "DELETING",
  });
});
