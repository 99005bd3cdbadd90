/**
 * The invariants of the host, checked when the engine is idle: everything on the host belongs to exactly one record, and every record has what
 * it says it has.
 */
import type { MicroVmRecord } from "@liquidmetal/microvm";
import type { FakeHost } from "./fake-host.ts";

/** Everything that is wrong; empty when all is well. */
export function brokenInvariants(host: FakeHost): readonly string[] {
  const records = new Map(
    [...host.journal.records].map(([uid, body]): [string, MicroVmRecord] => [uid, JSON.parse(body) as MicroVmRecord]),
  );
  return [
    ...host.violations,
    ...processFaults(host, records),
    ...deviceFaults(host, records),
    ...ownerFaults(host, records),
    ...recordFaults(host, records),
  ];
}

type Records = ReadonlyMap<string, MicroVmRecord>;

function processFaults(host: FakeHost, records: Records): readonly string[] {
  return host.alive().flatMap((process) => {
    const named = records.get(process.uid)?.made.process;
    const { pid } = process.identity;
    if (named === undefined) return [`orphan: VMM ${pid} of ${process.uid}`];
    if (named.pid !== pid) return [`VMM ${pid} of ${process.uid} is not the one of its record (${named.pid})`];
    return process.state === "prelaunch" ? [`VMM ${pid} of ${process.uid} never began to run`] : [];
  });
}

function deviceFaults(host: FakeHost, records: Records): readonly string[] {
  return [...host.devices.values()].flatMap(({ name, owner }) => {
    if (owner === undefined) return [];
    const made = records.get(owner.uid)?.made.interfaces[owner.deviceId];
    return made?.hostDevice === name ? [] : [`orphan: device ${name} of ${owner.uid}`];
  });
}

function ownerFaults(host: FakeHost, records: Records): readonly string[] {
  const faults: string[] = [];
  // A volume whose record was never told of it (the agent died, or its disk was full) is still found by its owner, and goes with it.
  for (const [path, owner] of host.volumes) if (!records.has(owner)) faults.push(`orphan: volume ${path} of ${owner}`);
  for (const owner of host.holders) if (!records.has(owner)) faults.push(`orphan: hold of ${owner}`);
  const all = [...records.values()];
  for (const path of host.paths) {
    const owned = all.some(({ made }) => path.startsWith(made.directory) || path.startsWith(made.runDirectory));
    if (!owned && !path.startsWith("/cache/")) faults.push(`orphan: ${path}`);
  }
  const names = all.map(({ spec }) => `${spec.namespace}/${spec.name}`);
  if (new Set(names).size !== names.length) faults.push("two records of one name");
  const addresses = all.flatMap(({ made }) => Object.values(made.interfaces).flatMap((nic) => nic.addresses));
  if (new Set(addresses).size !== addresses.length) faults.push("one address given twice");
  return faults;
}

function recordFaults(host: FakeHost, records: Records): readonly string[] {
  return [...records.values()].flatMap((record) => {
    const { uid, phase } = record;
    const process = host.processOf(uid);
    const faults: string[] = [];
    if (phase === "running" && process?.state !== "running") faults.push(`${uid} is not running (${process?.state})`);
    if (phase === "paused" && process?.state !== "paused") faults.push(`${uid} is not paused (${process?.state})`);
    if (phase === "stopped" && process !== undefined) faults.push(`${uid} is stopped and runs`);
    if (phase === "running" || phase === "paused") {
      for (const nic of Object.values(record.made.interfaces)) {
        if (host.devices.get(nic.hostDevice)?.owner?.uid !== uid)
          faults.push(`${uid} lost its device ${nic.hostDevice}`);
      }
      for (const volume of Object.values(record.made.volumes)) {
        if (host.volumes.get(volume.path) !== uid) faults.push(`${uid} lost its volume ${volume.path}`);
      }
    }
    return faults;
  });
}
