/**
 * From what a host tells of a microVM to what the machine's status says. Pure.
 *
 * `provisioned` is said only when the host says created, and running where it tells phases: a host that answers CREATED for a guest that does not run
 * convinces nobody. A microVM that ran and does not any more is a condition; it is never made again here.
 */
import { type ErrorCode, errorCatalogue } from "@liquidmetal/foundation";
import type { MachineAddress, MachineReason, VmState } from "../api/index.ts";
import type { HostMicroVm } from "../hosts/host.ts";
import { both, type Findings, found } from "./findings.ts";

export interface Known {
  readonly hostname: string;
  readonly endpoint: string;
  /** Whether it was seen running before. */
  readonly provisioned: boolean;
}

export function verdictOn(microVm: HostMicroVm, known: Known): Findings {
  const facts: Findings = {
    conditions: {},
    failureDomain: known.endpoint,
    addresses: addressesOf(microVm, known.hostname),
  };
  return both(both(facts, guestFinding(microVm)), stateFinding(microVm, known));
}

/** It was made, and its host knows it no more. */
export function verdictOnMissing(endpoint: string, uid: string): Findings {
  return {
    ...found(
      "VMProvisioned",
      "False",
      "Vanished",
      `${endpoint} has no microVM ${uid} any more: it was deleted there, or the host was set up anew. It is not made again; delete the Machine, or let a MachineHealthCheck do so`,
    ),
    vmState: "missing",
  };
}

function stateFinding(microVm: HostMicroVm, known: Known): Findings {
  switch (microVm.state) {
    case "created":
      return createdFinding(microVm, known);
    case "pending":
      return provisionedFalse("Pending", "pending", words(microVm, "the host is making it"));
    case "failed":
      return provisionedFalse("Failed", "failed", failure(microVm));
    case "deleting":
      return provisionedFalse("Deleting", "deleting", words(microVm, "it was deleted on its host, not by us"));
    case "unknown":
      return provisionedFalse("UnknownState", "unknown", words(microVm, "the host tells a state that is not known"));
    default:
      return microVm.state satisfies never;
  }
}

function createdFinding(microVm: HostMicroVm, known: Known): Findings {
  const { phase } = microVm;
  if (phase === undefined || phase === "" || phase === "running") {
    return { ...found("VMProvisioned", "True", "Provisioned"), provisioned: true, vmState: "running" };
  }
  const reason = known.provisioned ? "NotRunning" : "Pending";
  return provisionedFalse(reason, "stopped", words(microVm, `the host calls it created, but it is ${phase}`));
}

function provisionedFalse(reason: MachineReason<"VMProvisioned">, vmState: VmState, message: string): Findings {
  return { ...found("VMProvisioned", "False", reason, message), vmState };
}

/** Flintlock's reason, its message, and whether waiting helps. */
function failure(microVm: HostMicroVm): string {
  const text = words(microVm, "the host gives no reason");
  switch (retryOf(microVm.reason)) {
    case "never":
      return `${text}. It will not mend by itself: correct the template and replace the Machine`;
    case "after-change":
      return `${text}. The host tries again once that has changed`;
    case "backoff":
      return `${text}. The host tries again`;
    default:
      return text;
  }
}

/** `ImageNotFound` is the catalogue's IMAGE_NOT_FOUND. */
function retryOf(reason: string | undefined): string | undefined {
  const code = (reason ?? "").replace(/(?!^)([A-Z])/g, "_$1").toUpperCase();
  return Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode].retry : undefined;
}

function words({ reason = "", message = "" }: HostMicroVm, otherwise: string): string {
  if (reason === "" && message === "") return otherwise;
  return bounded(message === "" ? reason : reason === "" ? message : `${reason}: ${message}`);
}

function guestFinding({ guestReady }: HostMicroVm): Findings {
  if (guestReady === undefined) return found("GuestReady", "Unknown", "NotReported", "the host does not tell");
  return guestReady
    ? found("GuestReady", "True", "GuestReady")
    : found("GuestReady", "False", "GuestNotReady", "the guest has not said that it is ready");
}

/** Of the status' list at most 32, each at most 256 characters. */
function addressesOf(microVm: HostMicroVm, hostname: string): readonly MachineAddress[] {
  const addresses = [...new Set(microVm.addresses.map((address) => address.replace(/\/\d+$/, "")))].filter(
    (address) => address !== "" && address.length <= 256 && !isLinkLocal(address),
  );
  return [
    { type: "Hostname" as const, address: hostname },
    ...addresses.slice(0, 31).map((address) => ({ type: "InternalIP" as const, address })),
  ];
}

/** Of no use to anyone outside the guest (the metadata interface has one). */
function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab][0-9a-f]:/i.test(address);
}

/** Conditions are bounded, and what hosts say is not. */
function bounded(text: string): string {
  return text.length <= 2_000 ? text : `${text.slice(0, 2_000).toWellFormed()}…`;
}
