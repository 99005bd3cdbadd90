/** From the wire's microVM to the little of it that capmvm keeps: thousands of them stay in memory, so nothing big is held on to. */
import { type flintlock, MicroVMStatus_MicroVMState as State } from "@liquidmetal/api";
import type { HostMicroVm } from "./host.ts";
import { identityIn, identityLabel } from "./identity.ts";

const states: Readonly<Record<State, HostMicroVm["state"]>> = {
  [State.PENDING]: "pending",
  [State.CREATED]: "created",
  [State.FAILED]: "failed",
  [State.DELETING]: "deleting",
};

export function microVmFromWire(wire: flintlock.MicroVM): HostMicroVm {
  const { spec, status } = wire;
  const identity = spec?.labels[identityLabel] || identityOfMetadata(spec?.metadata["meta-data"]);
  const phase = status?.phase ?? "";
  return {
    uid: spec?.uid ?? "",
    namespace: spec?.namespace ?? "",
    name: spec?.id ?? "",
    state: status === undefined ? "pending" : (states[status.state] ?? "unknown"),
    addresses: status?.addresses ?? [],
    labels: spec?.labels ?? {},
    ...(identity === undefined ? {} : { identity }),
    // Only hosts of ours have phases; of the others nothing is known of the guest.
    ...(phase === "" ? {} : { phase, guestReady: status?.ready ?? false }),
    ...(status?.reason ? { reason: status.reason } : {}),
    ...(status?.message ? { message: status.message } : {}),
  };
}

function identityOfMetadata(encoded: string | undefined): string | undefined {
  return encoded ? identityIn(Buffer.from(encoded, "base64").toString()) : undefined;
}
