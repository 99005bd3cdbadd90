/**
 * What it means that a create call failed. Pure.
 *
 * | kind | meaning | what follows |
 * |---|---|---|
 * | not-sent | no connection | the host is waited for |
 * | uncertain | no answer came | the host is looked through before anything else |
 * | other-host | this host has no room, or cannot do it | another host |
 * | again | for the moment | asked again |
 * | final | whoever is asked, the answer is the same | the spec must change |
 */
import { PlatformError } from "@liquidmetal/foundation";
import { both, type Findings, found } from "./findings.ts";

export interface Refusal {
  readonly kind: "not-sent" | "uncertain" | "other-host" | "again" | "final";
  readonly message: string;
  readonly findings: Findings;
  /** Milliseconds until the same host may be asked the same again. */
  readonly againMs: number;
}

/** In case the host itself was changed (a newer version, another configuration). */
const finalAgainMs = 600_000;

/** Undefined: not the host's word at all. */
export function refusalOf(error: unknown, endpoint: string): Refusal | undefined {
  if (!(error instanceof PlatformError)) return undefined;
  const message = bounded(error.message);
  const says = `${endpoint}: ${message}`;
  switch (error.code) {
    case "HOST_UNREACHABLE":
      return { kind: "not-sent", message, findings: failed(says), againMs: 5_000 };
    case "CREATE_UNCERTAIN":
    case "DEADLINE_EXCEEDED":
    case "CANCELLED":
    case "UNAVAILABLE":
    case "INTERNAL": {
      const words = `${says}. Whether it has the microVM is found out before it is asked again`;
      return { kind: "uncertain", message, findings: failed(words), againMs: 2_000 };
    }
    case "CAPACITY_EXCEEDED":
    case "DISK_FULL":
    case "ADDRESS_EXHAUSTED":
    case "CAPABILITY_MISSING":
    case "PROVIDER_UNKNOWN":
    case "BRIDGE_MISSING": {
      const findings = found("VMProvisioned", "False", "NoHostFits", says);
      return { kind: "other-host", message, findings, againMs: 60_000 };
    }
    case "HOST_REFUSED":
    case "UNAUTHENTICATED": {
      const refused = found("HostReachable", "False", "AccessRefused", says);
      const findings = both(refused, found("VMProvisioned", "False", "WaitingForHost", says));
      return { kind: "again", message, findings, againMs: 15_000 };
    }
    case "MICROVM_EXISTS": {
      const words = `${says}. It is neither adopted nor deleted; the machine waits until it is gone`;
      return {
        kind: "again",
        message,
        findings: found("VMProvisioned", "False", "NameTaken", words),
        againMs: 15_000,
      };
    }
    case "MICROVM_DELETING":
      return { kind: "again", message, findings: failed(`${says}. It is waited for`), againMs: 5_000 };
    case "SPEC_INVALID":
    case "REQUEST_INVALID":
    case "METADATA_INVALID":
    case "IMAGE_REFERENCE_INVALID": {
      const words = `${says}. It will not mend by itself: correct the template and replace the Machine`;
      return {
        kind: "final",
        message,
        findings: found("VMProvisioned", "False", "CreateRefused", words),
        againMs: finalAgainMs,
      };
    }
    default:
      return { kind: "again", message, findings: failed(`${says}. It is asked again`), againMs: 10_000 };
  }
}

function failed(message: string): Findings {
  return found("VMProvisioned", "False", "CreateFailed", message);
}

function bounded(text: string): string {
  return text.length <= 2_000 ? text : `${text.slice(0, 2_000).toWellFormed()}…`;
}
