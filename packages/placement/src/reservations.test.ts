import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { HostCandidate } from "./host-candidate.ts";
import { Reservations } from "./reservations.ts";
import type { Workload } from "./workload.ts";

const host = (id: string, vcpu: number): HostCandidate => ({
  id,
  failureDomain: id,
  labels: {},
  taints: [],
  health: "reachable",
  allocatable: { vcpu, memoryMiB: 8_192, diskMiB: 8_192 },
});
const workload = (name: string, vcpu = 2): Workload => ({
  name,
  resources: { vcpu, memoryMiB: 512, diskMiB: 0 },
  spread: { name: "g", mode: "prefer" },
});

test("of two that want the last room one gets it, and the other when it is let go", () => {
  const reservations = new Reservations();
  assert.ok(reservations.place("a", workload("a"), [host("h", 2)]).ok);
  const refused = reservations.place("b", workload("b"), [host("h", 2)]);
  assert.equal(refused.ok ? "" : refused.error.summary, "1 of 1 host lacks 2 vCPU (most free: h, 0 vCPU)");
  reservations.release("a");
  assert.ok(reservations.place("b", workload("b"), [host("h", 2)]).ok);
});

test("an owner that asks again keeps its place and is charged once", () => {
  const reservations = new Reservations();
  const first = unwrap(reservations.place("a", workload("a"), [host("h", 2), host("i", 2)]));
  const roomier = [host("h", first.host.id === "h" ? 2 : 99), host("i", first.host.id === "i" ? 2 : 99)];
  assert.equal(unwrap(reservations.place("a", workload("a"), roomier)).host.id, first.host.id);
  assert.equal(reservations.size, 1);
  assert.deepEqual(reservations.charge(host(first.host.id, 2)).reserved, { vcpu: 2, memoryMiB: 512, diskMiB: 0 });
});

test("an owner whose host may no longer take it is placed anew", () => {
  const reservations = new Reservations();
  reservations.enter({ owner: "a", hostId: "h", resources: workload("a").resources, spreadGroup: "g" });
  const pool: HostCandidate[] = [{ ...host("h", 2), health: "unreachable" }, host("i", 2)];
  assert.equal(unwrap(reservations.place("a", workload("a"), pool)).host.id, "i");
  assert.deepEqual(reservations.on("h"), []);
});

test("a refused owner keeps the promise that it has", () => {
  const reservations = new Reservations();
  reservations.enter({ owner: "a", hostId: "h", resources: workload("a").resources });
  assert.equal(reservations.place("a", workload("a"), [{ ...host("h", 2), health: "unreachable" }]).ok, false);
  assert.equal(reservations.get("a")?.hostId, "h");
});

test("promises count as members of their group", () => {
  const reservations = new Reservations();
  reservations.enter({ owner: "a", hostId: "h", resources: workload("a").resources, spreadGroup: "g" });
  const charged = reservations.charge({ ...host("h", 2), members: new Map([["g", 1]]) });
  assert.equal(charged.members?.get("g"), 2);
  assert.equal(reservations.charge(host("h", 2), "a").members, undefined);
});
