/** Asking a host to delete a microVM of ours: once, and again only if it is still there after a minute. */
import { PlatformError } from "@liquidmetal/foundation";
import type { Host, HostMicroVm } from "../hosts/host.ts";
import type { MachineScope } from "./dependencies.ts";

/** The caller has made sure that it is ours. Throws what the host says. */
export async function removeMicroVm(
  scope: MachineScope,
  host: Host,
  microVm: HostMicroVm,
  why: "deletion" | "surplus",
): Promise<void> {
  const { world, uid, machine, signal } = scope;
  if (microVm.state === "deleting" || !world.knowledge.mayDelete(uid, microVm.uid)) return;
  try {
    await host.delete(microVm.uid, { signal });
  } catch (error) {
    world.knowledge.deleteFailed(uid, microVm.uid);
    if (error instanceof PlatformError && error.code === "MICROVM_NOT_FOUND") return;
    throw error;
  }
  world.logger.info("machine.microvm_delete_asked", { machine: scope.key, host: host.endpoint, uid: microVm.uid, why });
  if (why === "surplus") {
    const message = `deleted the microVM ${microVm.uid} on ${host.endpoint}: it was made for this machine by a request whose answer was lost`;
    world.events.warning(machine, "SurplusMicroVMDeleted", message);
  }
}
