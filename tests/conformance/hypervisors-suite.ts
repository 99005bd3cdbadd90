/**
 * What every hypervisor driver must do, real or fake: the rules in the header of the port, seen from outside.
 *
 * The guest obeys commands on its console, one a line: `poweroff`, `reboot`, `panic`, `echo TEXT` (see tests/assets/test-initrd.ts).
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { type Subscription, sleep, systemClock, unwrap } from "@liquidmetal/foundation";
import type {
  Hypervisor,
  HypervisorEvent,
  Machine,
  Made,
  ProcessIdentity,
  RunningVmm,
  Spawner,
} from "@liquidmetal/microvm";

export interface HypervisorWorld {
  readonly hypervisor: Hypervisor;
  readonly spawner: Spawner;
  /** A driver and a spawner of a new agent, with no memory of the first. */
  restart(): Promise<{ readonly hypervisor: Hypervisor; readonly spawner: Spawner }>;
  /** A fresh machine; `deaf` guests ignore a graceful stop. */
  machine(options?: { readonly deaf?: boolean }): Promise<Machine>;
  close(): Promise<void>;
}

/** How long a guest may take for anything, in milliseconds; for slow machines. */
const patienceMs = 45_000;

export function hypervisorSuite(name: string, make: () => Promise<HypervisorWorld>): void {
  describe(`hypervisor conformance: ${name}`, () => {
    let world: HypervisorWorld;
    const spawned: ProcessIdentity[] = [];
    before(async () => {
      world = await make();
    });
    afterEach(async () => {
      for (const process of spawned.splice(0)) {
        await world.spawner.signal(process, "SIGKILL");
        await world.spawner.exited(process);
      }
    });
    after(() => world.close());

    const start = async (machine: Machine): Promise<RunningVmm> => {
      const prepared = unwrap(await world.hypervisor.prepare(machine));
      return unwrap(await world.hypervisor.start(prepared, { onSpawned: (process) => void spawned.push(process) }));
    };
    const booted = async (machine: Machine): Promise<{ vmm: RunningVmm; heard: Heard }> => {
      const vmm = await start(machine);
      const heard = new Heard(vmm);
      await heard.event("guest-ready");
      return { vmm, heard };
    };
    const tell = async (vmm: RunningVmm, text: string): Promise<void> =>
      unwrap(await vmm.writeConsole(Buffer.from(`${text}\n`)));

    it("says what it can", async () => {
      const capabilities = unwrap(await world.hypervisor.capabilities());
      assert.equal(capabilities.name, world.hypervisor.name);
      assert.match(capabilities.version, /^\d+\./);
      assert.ok(capabilities.vcpuMax >= 1);
    });

    it("prepares the same command line twice and touches no process", async () => {
      const machine = await world.machine();
      const first = unwrap(await world.hypervisor.prepare(machine));
      const second = unwrap(await world.hypervisor.prepare(machine));
      assert.deepEqual(first.commandLine, second.commandLine);
      assert.deepEqual(await world.spawner.findByTokenPrefix(machine.token), []);
    });

    it("boots, hears the guest, echoes its console, pauses, resumes, refuses a second start, stops gracefully", async () => {
      const machine = await world.machine();
      const { vmm, heard } = await booted(machine);
      assert.equal(vmm.uid, machine.uid);
      assert.equal(vmm.state(), "running");
      await tell(vmm, "echo liquid");
      await heard.console("said: liquid");
      const second = await world.hypervisor.start(unwrap(await world.hypervisor.prepare(machine)), {
        onSpawned: () => {},
      });
      assert.ok(!second.ok && second.error.code === "PHASE_CONFLICT");
      unwrap(await vmm.pause());
      await heard.event("paused");
      assert.equal(vmm.state(), "paused");
      unwrap(await vmm.resume());
      await heard.event("resumed");
      const usage = unwrap(await vmm.usage());
      assert.ok(usage.cpuSeconds >= 0 && usage.memoryBytes >= 0);
      unwrap(await vmm.stop("graceful", { gracefulTimeoutMs: patienceMs }));
      assert.equal(await world.spawner.verdict(vmm.process), "gone");
      assert.equal((await heard.exit()).cause, "requested");
      unwrap(await vmm.stop("forced"));
      const replayed = new Heard(vmm);
      assert.equal((await replayed.exit()).cause, "requested");
      const again = await start(machine);
      unwrap(await again.stop("forced"));
    });

    it("forces a guest that ignores a graceful stop at the deadline", async () => {
      const { vmm, heard } = await booted(await world.machine({ deaf: true }));
      const begunMs = systemClock.monotonicMs();
      unwrap(await vmm.stop("graceful", { gracefulTimeoutMs: 300 }));
      assert.ok(systemClock.monotonicMs() - begunMs < 5_000);
      assert.equal((await heard.exit()).cause, "requested");
    });

    it("stops a paused guest", async () => {
      const { vmm } = await booted(await world.machine());
      unwrap(await vmm.pause());
      unwrap(await vmm.stop("forced"));
      assert.equal(vmm.state(), "exited");
    });

    it("tells a reboot in place, a reset, and a power-off", async () => {
      const { vmm, heard } = await booted(await world.machine());
      await tell(vmm, "reboot");
      await heard.event("guest-reset");
      await heard.event("guest-ready");
      if (unwrap(await world.hypervisor.capabilities()).reset) {
        unwrap(await vmm.reset());
        await heard.event("guest-reset");
        await heard.event("guest-ready");
      }
      await tell(vmm, "poweroff");
      assert.equal((await heard.exit()).cause, "powered-off");
      assert.equal(vmm.state(), "exited");
    });

    it("tells a kernel panic and ends the guest", async () => {
      const { vmm, heard } = await booted(await world.machine());
      await tell(vmm, "panic");
      await heard.event("guest-panicked");
      assert.equal((await heard.exit()).cause, "panicked");
    });

    it("tells a VMM that was killed", async () => {
      const { vmm, heard } = await booted(await world.machine());
      await world.spawner.signal(vmm.process, "SIGKILL");
      const exit = await heard.exit();
      assert.equal(exit.cause, "crashed");
      assert.equal(exit.signal, "SIGKILL");
      const made = madeOf(await world.machine(), vmm.process);
      assert.deepEqual(unwrap(await world.hypervisor.adopt(await world.machine(), made)), { state: "gone" });
    });

    it("leaves no process behind when the start cannot be committed, or is cancelled", async () => {
      const machine = await world.machine();
      const prepared = unwrap(await world.hypervisor.prepare(machine));
      const refused = await world.hypervisor.start(prepared, {
        onSpawned: () => Promise.reject(new Error("disk full")),
      });
      assert.ok(!refused.ok);
      assert.deepEqual(await world.spawner.findByTokenPrefix(machine.token), []);
      const controller = new AbortController();
      const cancelled = await world.hypervisor.start(prepared, {
        onSpawned: () => {
          controller.abort();
          controller.signal.throwIfAborted();
        },
        signal: controller.signal,
      });
      assert.ok(!cancelled.ok);
      assert.deepEqual(await world.spawner.findByTokenPrefix(machine.token), []);
    });

    it("adopts after a restart of the agent, and stops what it adopted", async () => {
      const machine = await world.machine();
      const { vmm } = await booted(machine);
      await vmm.detach();
      const next = await world.restart();
      try {
        const adoption = unwrap(await next.hypervisor.adopt(machine, madeOf(machine, vmm.process)));
        assert.ok(adoption.state === "adopted");
        assert.equal(adoption.vmm.state(), "running");
        const heard = new Heard(adoption.vmm);
        await tell(adoption.vmm, "echo again");
        await heard.console("said: again");
        unwrap(await adoption.vmm.stop("graceful", { gracefulTimeoutMs: patienceMs }));
        assert.equal((await heard.exit()).cause, "requested");
        assert.equal(await next.spawner.verdict(vmm.process), "gone");
      } finally {
        await next.spawner.close();
      }
    });

    it("does not adopt a process that cannot be proven ours", async () => {
      const machine = await world.machine();
      const { vmm } = await booted(machine);
      const foreign = { ...vmm.process, token: "somebody-else" };
      const adoption = await world.hypervisor.adopt(machine, madeOf(machine, foreign));
      assert.ok(!adoption.ok && adoption.error.code === "PROCESS_UNVERIFIED");
      unwrap(await vmm.stop("forced"));
    });
  });
}

/** What a VMM says, kept so that tests can wait for it in order. */
export class Heard {
  readonly #subscription: Subscription<HypervisorEvent>;
  readonly #events: HypervisorEvent[] = [];
  readonly #done: Promise<void>;
  #text = "";
  #wake: () => void = () => {};

  constructor(vmm: RunningVmm) {
    this.#subscription = vmm.events({ capacity: 100_000 });
    this.#done = this.#listen();
  }

  get text(): string {
    return this.#text;
  }

  /** The next event of this kind. */
  async event<K extends HypervisorEvent["kind"]>(kind: K): Promise<Extract<HypervisorEvent, { kind: K }>> {
    return this.#wait(`event ${kind}`, () => {
      const index = this.#events.findIndex((event) => event.kind === kind);
      return index < 0
        ? undefined
        : (this.#events.splice(0, index + 1).at(-1) as Extract<HypervisorEvent, { kind: K }>);
    });
  }

  /** Waits until the console has shown `text`, and forgets what was before its end. */
  async console(text: string): Promise<void> {
    await this.#wait(`console text ${text}`, () => {
      const index = this.#text.indexOf(text);
      if (index >= 0) this.#text = this.#text.slice(index + text.length);
      return index < 0 ? undefined : true;
    });
  }

  /** The end; nothing may follow it. */
  async exit(): Promise<Extract<HypervisorEvent, { kind: "exited" }>["exit"]> {
    const { exit } = await this.event("exited");
    await this.#done;
    assert.deepEqual(this.#events, []);
    return exit;
  }

  async #listen(): Promise<void> {
    for await (const event of this.#subscription) {
      if (event.kind === "console") this.#text += Buffer.from(event.bytes).toString("latin1");
      else this.#events.push(event);
      this.#wake();
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #wait<T>(what: string, look: () => T | undefined): Promise<T> {
    const controller = new AbortController();
    const keepAlive = setTimeout(() => {}, patienceMs + 1_000);
    const late = sleep(systemClock, patienceMs, controller.signal).then(() => {
      throw new Error(`waited ${patienceMs} ms for ${what}; console: ${this.#text.slice(-500)}`);
    });
    late.catch(() => {});
    try {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        await Promise.race([this.#woken(), late]);
      }
    } finally {
      clearTimeout(keepAlive);
      controller.abort();
    }
  }
}

export function madeOf(machine: Machine, process: ProcessIdentity): Made {
  const { directory, runDirectory } = machine;
  return { directory, runDirectory, vmmUserId: 0, provider: "test", volumes: {}, interfaces: {}, process };
}
