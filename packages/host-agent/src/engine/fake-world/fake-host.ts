/**
 * A host in memory: everything that would survive the death of the agent (processes, devices, volumes, directories, leases), and the books in
 * which a test looks for what was lost, doubled or left behind.
 */

import { Broadcast } from "@liquidmetal/foundation";
import type { HypervisorEvent, ProcessIdentity } from "@liquidmetal/microvm";
import { FakeJournalDisk } from "../../journal/fake-journal.ts";
import type { Neighbour } from "./neighbours.ts";

/** A VMM process and the guest in it. */
export interface FakeProcess {
  readonly identity: ProcessIdentity;
  readonly uid: string;
  readonly generation: number;
  readonly disks: readonly string[];
  state: "prelaunch" | "running" | "paused" | "exited";
  /** Ignores a request to power off. */
  stubborn: boolean;
  readonly events: Broadcast<HypervisorEvent>;
  /** Its end, once those who watch it have heard of it. */
  exit?: Extract<HypervisorEvent, { kind: "exited" }>;
  /** Resolves when they hear of it. */
  readonly gone: PromiseWithResolvers<void>;
}

export interface FakeDevice {
  readonly name: string;
  /** Owner and device id; undefined = somebody else's device. */
  readonly owner?: { readonly uid: string; readonly deviceId: string };
}

/** How ports misbehave, until it is changed. */
export interface Faults {
  containerdDown: boolean;
  /** Set by `lose` and `bringBack`. */
  spawnerDown: boolean;
  /** Calls that fail since their neighbour is down take effect all the same: they were under way when it died. */
  repliesLost: boolean;
  /** Pulls of this reference never end. */
  readonly stuckImages: Set<string>;
  /** Pulls of this reference never end and ignore their signal. */
  readonly deafImages: Set<string>;
  readonly missingImages: Set<string>;
  /** Starts never end (and ignore nothing but their signal). */
  startHangs: boolean;
  /** The spawner dies right after it spawned: the process is there, and nobody knows. */
  spawnerDiesSpawning: boolean;
  /** Why the next starts fail; empty = they do not. */
  startFails: string;
  /** Processes whose identity cannot be read. */
  readonly unverifiablePids: Set<number>;
  diskFull: boolean;
}

export class FakeHost {
  readonly journal: FakeJournalDisk = new FakeJournalDisk();
  readonly processes: Map<number, FakeProcess> = new Map();
  readonly devices: Map<string, FakeDevice> = new Map();
  /** Isolation group by device, as the running agent told the network. */
  readonly groups: Map<string, string> = new Map();
  /** Volume path → owner. */
  readonly volumes: Map<string, string> = new Map();
  /** Directory or file path. */
  readonly paths: Set<string> = new Set();
  /** Owners that hold images. */
  readonly holders: Set<string> = new Set();
  bootId = "boot-1";
  readonly faults: Faults = {
    containerdDown: false,
    spawnerDown: false,
    repliesLost: false,
    stuckImages: new Set(),
    deafImages: new Set(),
    missingImages: new Set(),
    startHangs: false,
    spawnerDiesSpawning: false,
    startFails: "",
    unverifiablePids: new Set(),
    diskFull: false,
  };
  /** What went against the rules, as it happened. */
  readonly violations: string[] = [];
  /** Counts spawns per microVM. */
  readonly spawns: Map<string, number> = new Map();
  /** Ends that nobody hears of until there is a spawner again. */
  readonly #unheard: (() => void)[] = [];
  #nextPid = 100;
  #nextIndex = 1;

  nextIndex(): number {
    return this.#nextIndex++;
  }

  spawn(uid: string, token: string, generation: number, disks: readonly string[]): FakeProcess {
    const pid = this.#nextPid++;
    for (const other of this.alive()) {
      if (other.uid === uid) this.violations.push(`${uid}: a second VMM (pid ${pid} beside ${other.identity.pid})`);
      for (const disk of disks) if (other.disks.includes(disk)) this.violations.push(`${disk} is opened by two VMMs`);
    }
    if (!this.journal.records.has(uid)) this.violations.push(`${uid}: a VMM without a record`);
    const process: FakeProcess = {
      identity: { pid, startTime: String(pid * 7), bootId: this.bootId, token },
      uid,
      generation,
      disks,
      state: "prelaunch",
      stubborn: false,
      events: new Broadcast(),
      gone: Promise.withResolvers(),
    };
    this.processes.set(pid, process);
    this.spawns.set(uid, (this.spawns.get(uid) ?? 0) + 1);
    return process;
  }

  alive(): readonly FakeProcess[] {
    return [...this.processes.values()].filter((process) => process.state !== "exited");
  }

  processOf(uid: string): FakeProcess | undefined {
    return this.alive().find((process) => process.uid === uid);
  }

  isDown(neighbour: Neighbour): boolean {
    return neighbour === "spawner" ? this.faults.spawnerDown : this.faults.containerdDown;
  }

  /** The neighbour dies. What it had started and made lives on. */
  lose(neighbour: Neighbour): void {
    if (neighbour === "spawner") this.faults.spawnerDown = true;
    else this.faults.containerdDown = true;
  }

  /** It is there again. A spawner tells what ended in the meantime. */
  bringBack(neighbour: Neighbour): void {
    if (neighbour === "containerd") this.faults.containerdDown = false;
    else {
      this.faults.spawnerDown = false;
      for (const tell of this.#unheard.splice(0)) tell();
    }
  }

  /** The process ends; whoever watches it hears of it, from the spawner. */
  end(process: FakeProcess, cause: "requested" | "powered-off" | "panicked" | "crashed" | "hung", message = ""): void {
    if (process.state === "exited") return;
    process.state = "exited";
    const tell = (): void => {
      process.exit = { kind: "exited", exit: { atMs: 0, cause, message } };
      process.events.publish(process.exit);
      process.gone.resolve();
    };
    if (this.faults.spawnerDown) this.#unheard.push(tell);
    else tell();
  }

  /** Power cut: processes and devices are gone, disks stay. */
  reboot(): void {
    for (const process of this.alive()) {
      process.state = "exited";
      process.gone.resolve();
    }
    this.processes.clear();
    this.devices.clear();
    for (const path of [...this.paths]) if (path.startsWith("/run/")) this.paths.delete(path);
    this.bootId = `${this.bootId}+`;
  }
}
