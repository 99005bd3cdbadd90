/**
 * The durable record of one microVM: what is wanted, what has been made so far, and how it goes.
 *
 * The journal stores exactly this, as JSON. It is immutable; every change makes a new one with a higher `version`.
 * Names of things on the host (tap, directory, snapshot, address, token) are chosen and committed *before* the thing is made,
 * so a crash at any point leaves either nothing or something that a record names.
 */

import type { Phase } from "./phases.ts";
import type { MicroVmSpec } from "./spec.ts";
import type { StepKind } from "./steps.ts";

/** What the user wants it to be. */
export type DesiredState = "running" | "paused" | "stopped" | "deleted";

/** When the guest ends by itself. Label `liquidmetal.dev/restart-policy`, else the host's default. */
export type RestartPolicy = "always" | "on-failure" | "never";

export interface MicroVmRecord {
  readonly uid: string;
  readonly spec: MicroVmSpec;
  readonly desired: DesiredState;
  /** Counts commits; starts at 1. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly deletedAtMs?: number;
  readonly phase: Phase;
  /** Stable CamelCase word, for example `ImageNotFound`; empty when all is well. */
  readonly reason: string;
  /** For people: what happened, why, what to do. Empty when all is well. */
  readonly message: string;
  readonly retry: RetryState;
  /** The step that was begun and not yet seen done; for diagnosis after a crash. */
  readonly inFlight?: StepKind;
  readonly made: Made;
  readonly guest: GuestState;
  /** Counts the user's reboots; a change makes the running VMM be replaced. */
  readonly bootGeneration: number;
  /** Starts of the VMM since creation. */
  readonly boots: number;
}

export interface RetryState {
  /** Failed attempts in a row. */
  readonly attempts: number;
  /** No attempt before this wall time; 0 = at once. */
  readonly notBeforeMs: number;
}

/** Everything on the host that belongs to this microVM, by the names by which it is found again. */
export interface Made {
  /** State directory, absolute, mode 0700: `<state-dir>/vm/<namespace>/<name>/<uid>` as upstream has it; holds volumes, seed, logs, pid file. */
  readonly directory: string;
  /** Directory for sockets, absolute and short (a Unix socket's path has at most 107 bytes): `<run-dir>/<uid>`. */
  readonly runDirectory: string;
  /** User and group id of this microVM's VMM, unique on the host; 0 = the agent's own. */
  readonly vmmUserId: number;
  /** Provider chosen at creation. */
  readonly provider: string;
  readonly kernel?: MadeFile;
  readonly initrd?: MadeFile;
  readonly volumes: Readonly<Record<string, MadeVolume>>;
  readonly interfaces: Readonly<Record<string, MadeInterface>>;
  /** Empty when the driver needs none; absent until that is known. */
  readonly seedPath?: string;
  readonly process?: ProcessIdentity;
  /** Boot generation with which `process` was started; an agent that adopts it learns from this that a reboot is still owed. */
  readonly processGeneration?: number;
  readonly vsockPath?: string;
}

/** A file out of an image: where the image lives and where the file lies on the host. */
export interface MadeFile {
  readonly path: string;
  readonly imageDigest: string;
}

export interface MadeVolume {
  readonly id: string;
  /** `block`: a device or file the VMM opens. `virtiofs`: a socket of a virtiofsd. */
  readonly kind: "block" | "virtiofs";
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
  /** Size of the block device in bytes; 0 for virtiofs. */
  readonly sizeBytes: number;
  /** Which store made it (so that the same one releases it). */
  readonly store: string;
  /** Digest of the image it came from; empty for virtiofs. */
  readonly imageDigest: string;
  /** virtiofsd, for virtiofs volumes. */
  readonly process?: ProcessIdentity;
}

export interface MadeInterface {
  readonly deviceId: string;
  readonly type: "tap" | "macvtap";
  /** Host device, for example `lmtap0a1b2c3d`; at most 15 bytes. */
  readonly hostDevice: string;
  /** Index of the host device; 0 until it exists. */
  readonly hostIndex: number;
  readonly hostMac: string;
  readonly guestMac: string;
  readonly bridge: string;
  /** Addresses the host gave or was told, CIDR. */
  readonly addresses: readonly string[];
  readonly gateway?: string;
  readonly nameservers: readonly string[];
  /** True when the guest is to use DHCP. */
  readonly dhcp: boolean;
}

/** A process, provably ours: pid, start time from procfs, and the token in its command line. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot; a decimal string. */
  readonly startTime: string;
  /** Boot id of the host when it was started: a pid of an earlier boot is never ours. */
  readonly bootId: string;
  readonly token: string;
}

export interface GuestState {
  /** The guest itself said so, since its last start. */
  readonly ready: boolean;
  readonly readyAtMs?: number;
  /** Addresses as the guest reported or the host knows them, without mask. */
  readonly addresses: readonly string[];
  /** How the last run ended, if it did. */
  readonly lastExit?: GuestExit;
}

export interface GuestExit {
  readonly atMs: number;
  /** `requested`: by us. `powered-off`, `rebooted`: by the guest. `panicked`: its kernel. `crashed`: the VMM died. `hung`: watchdog. `lost`: host rebooted or unknown. */
  readonly cause: "requested" | "powered-off" | "rebooted" | "panicked" | "crashed" | "hung" | "lost";
  readonly exitCode?: number;
  readonly signal?: string;
  readonly message: string;
}
