/**
 * The books: every microVM on the hosts has exactly one MicrovmMachine, every MicrovmMachine that says so has exactly one microVM. Nothing without an owner,
 * nothing twice, nothing lost.
 */
import assert from "node:assert/strict";
import type { FakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { JsonApi } from "./json-api.ts";

const identityName = "capmvm.liquidmetal.dev/identity";
export const machinesPath = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/microvmmachines";

/** Throws an AssertionError that names what is wrong. A microVM that is on its way out counts as there. */
export async function assertBooksBalance(api: JsonApi, hosts: readonly FakeFlintlockd[]): Promise<void> {
  const machines = await api.list(machinesPath);
  const onHosts = hosts.flatMap(({ endpoint, host }) =>
    host.microVms.map(({ uid, spec }) => ({
      id: `microvm://${endpoint}/${uid}`,
      name: `${spec.namespace}/${spec.name}`,
      identity: spec.labels[identityName],
    })),
  );
  const identities = onHosts.map(({ identity }) => identity);
  const twice = onHosts.filter(({ identity }, index) => identities.indexOf(identity) !== index);
  assert.deepEqual(twice, [], "microVMs that are there twice");
  const owners = new Set(machines.map(({ metadata }) => metadata.annotations?.[identityName] ?? metadata.uid));
  const strays = onHosts.filter(({ identity }) => identity === undefined || !owners.has(identity));
  assert.deepEqual(strays, [], "microVMs that nobody owns");
  const there = new Set(onHosts.map(({ id }) => id));
  const lost = machines
    .filter(({ metadata, spec }) => metadata.deletionTimestamp === undefined && spec.providerID !== undefined)
    .filter(({ spec }) => !there.has(spec.providerID))
    .map(({ metadata, spec }) => `${metadata.namespace}/${metadata.name}: ${spec.providerID}`);
  assert.deepEqual(lost, [], "MicrovmMachines whose microVM is nowhere");
}

/** How many microVMs each host has, in the order of the hosts. */
export function load(hosts: readonly FakeFlintlockd[]): readonly number[] {
  return hosts.map(({ host }) => host.microVms.length);
}
