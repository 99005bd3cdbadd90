/** The record of a microVM that was just accepted by a played host: names as the agent gives them, addresses as the spec says. */
import type { Clock } from "@liquidmetal/foundation";
import type { MadeInterface, MicroVmRecord, MicroVmSpec } from "@liquidmetal/microvm";

export function draftRecord(uid: string, spec: MicroVmSpec, clock: Clock): MicroVmRecord {
  const nowMs = clock.nowMs();
  const interfaces = Object.fromEntries(spec.interfaces.map((nic, index) => [nic.deviceId, made(uid, nic, index)]));
  return {
    uid,
    spec,
    desired: "running",
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    phase: "pending",
    reason: "",
    message: "",
    retry: { attempts: 0, notBeforeMs: 0 },
    made: {
      directory: `/fake/state/vm/${spec.namespace}/${spec.name}/${uid}`,
      runDirectory: `/fake/run/${uid}`,
      vmmUserId: 0,
      provider: spec.provider === "" ? "fake" : spec.provider,
      volumes: {},
      interfaces,
    },
    guest: { ready: false, addresses: staticAddresses(spec) },
    bootGeneration: 1,
    boots: 0,
  };
}

/** Addresses that the spec names, without mask. */
export function staticAddresses(spec: MicroVmSpec): readonly string[] {
  return spec.interfaces.flatMap(({ address }) =>
    address === undefined ? [] : [address.address.replace(/\/.*$/, "")],
  );
}

function made(uid: string, nic: MicroVmSpec["interfaces"][number], index: number): MadeInterface {
  const tail = [...uid.slice(-8)].map((letter) => letter.charCodeAt(0).toString(16).padStart(2, "0"));
  return {
    deviceId: nic.deviceId,
    type: nic.type,
    hostDevice: `lmtap${uid.slice(-8).toLowerCase()}${index}`.slice(0, 15),
    hostIndex: index + 1,
    hostMac: `02:ff:${tail.slice(4, 8).join(":")}`,
    guestMac: nic.guestMac ?? `02:${(index % 256).toString(16).padStart(2, "0")}:${tail.slice(4, 8).join(":")}`,
    bridge: nic.bridgeName ?? "fake0",
    addresses: nic.address === undefined ? [] : [nic.address.address],
    ...(nic.address?.gateway === undefined ? {} : { gateway: nic.address.gateway }),
    nameservers: nic.address?.nameservers ?? [],
    dhcp: nic.address === undefined,
  };
}
