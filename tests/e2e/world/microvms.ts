/** What a user does with microVMs and sees of them, through the API. Every wait is for a change that the agent tells, with a deadline. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type MicroVMSpecSchema, WatchResponse_Type } from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";

type Listed = Awaited<ReturnType<Connection["microVms"]["listMicroVMs"]>>["microvm"][number];
export type Status = NonNullable<Listed["status"]>;
export type SpecInit = Exclude<MessageInitShape<typeof MicroVMSpecSchema>, { readonly $typeName: string }>;

/** One microVM as the agent shows it. */
export interface Shown {
  readonly uid: string;
  readonly name: string;
  readonly status: Status;
}

const waitMs = 90_000;

export class Microvms {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Resolves with the uid. */
  async create(spec: SpecInit): Promise<string> {
    const { microvm } = await this.connection.microVms.createMicroVM({ microvm: spec });
    return microvm?.spec?.uid ?? "";
  }

  async list(): Promise<readonly Shown[]> {
    const { microvm } = await this.connection.microVms.listMicroVMs({});
    return microvm.map(shown);
  }

  async get(uid: string): Promise<Shown> {
    const { microvm } = await this.connection.microVms.getMicroVM({ uid });
    if (microvm === undefined) throw new Error("the answer holds no microVM");
    return shown(microvm);
  }

  /** Asks for deletion and waits until it is gone. */
  async delete(uid: string, timeoutMs: number = waitMs): Promise<void> {
    await this.connection.microVms.deleteMicroVM({ uid });
    await this.gone(uid, timeoutMs);
  }

  /** Resolves with the first state that satisfies; says what it was last when the deadline passes. */
  async until(
    uid: string,
    goal: string,
    satisfied: (status: Status) => boolean,
    timeoutMs: number = waitMs,
  ): Promise<Shown> {
    const found = await this.#watch(uid, goal, timeoutMs, (vm, gone) => {
      if (vm === undefined || gone) throw new Error(`microVM ${uid} is gone; waited until ${goal}`);
      return satisfied(vm.status) ? vm : undefined;
    });
    return found;
  }

  async ready(uid: string): Promise<Shown> {
    return await this.until(uid, "it is ready", ({ phase, ready }) => phase === "running" && ready);
  }

  async gone(uid: string, timeoutMs: number = waitMs): Promise<void> {
    await this.#watch(uid, "it is gone", timeoutMs, (vm, gone) => (vm === undefined || gone ? true : undefined));
  }

  /**
   * Types `text` at the serial console, and resolves with the first match of `pattern` in what it prints; messages of
   * the kernel, which come between whenever they like, also within a line, are left out.
   */
  async type(uid: string, text: string, pattern: RegExp, timeoutMs: number = 30_000): Promise<RegExpExecArray> {
    const signal = AbortSignal.timeout(timeoutMs);
    const end = Promise.withResolvers<void>();
    async function* input(): AsyncGenerator<{ uid: string; data: Uint8Array }> {
      yield { uid, data: new Uint8Array() };
      // A first empty line wakes the shell.
      yield { uid, data: Buffer.from(`\n${text}\n`) };
      await end.promise;
    }
    let printed = "";
    try {
      for await (const { data } of this.connection.host.console(input(), { signal })) {
        printed += Buffer.from(data).toString("latin1");
        const found = pattern.exec(printed.replaceAll(/\[ *\d+\.\d{6}\] .*\n/g, ""));
        if (found !== null) return found;
      }
    } catch (error) {
      throw new Error(`no ${pattern} on the console, but: ${JSON.stringify(printed.slice(-1_000))}`, { cause: error });
    } finally {
      end.resolve();
    }
    throw new Error(`the console ended before ${pattern}: ${JSON.stringify(printed.slice(-1_000))}`);
  }

  /** All that its console has printed. */
  async consoleLog(uid: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const { data } of this.connection.host.logs({ uid })) parts.push(data);
    return Buffer.concat(parts).toString("latin1");
  }

  /** Identity of the running kernel, asked inside the guest. */
  async bootId(uid: string): Promise<string> {
    const found = await this.type(uid, 'echo "<$(cat /proc/sys/kernel/random/boot_id)>"', /<([0-9a-f-]{36})>/);
    return found[1] ?? "";
  }

  async #watch<T>(
    uid: string,
    goal: string,
    timeoutMs: number,
    judge: (vm: Shown | undefined, gone: boolean) => T | undefined,
  ): Promise<T> {
    const signal = AbortSignal.timeout(timeoutMs);
    let last: Shown | undefined;
    try {
      for await (const { type, microvm } of this.connection.host.watch({ uid, snapshot: true }, { signal })) {
        if (microvm !== undefined) last = shown(microvm);
        else if (type !== WatchResponse_Type.SYNCED || last !== undefined) continue;
        const result = judge(last, type === WatchResponse_Type.DELETED);
        if (result !== undefined) return result;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      const { phase, reason, message, ready } = last?.status ?? {};
      throw new Error(`waited ${timeoutMs} ms until ${goal}; it is ${phase} (ready: ${ready}) ${reason}: ${message}`);
    }
    throw new Error(`the watch ended while waiting until ${goal}`);
  }
}

function shown(microvm: Listed): Shown {
  const { spec, status } = microvm;
  if (status === undefined) throw new Error("a microVM without a status");
  return { uid: spec?.uid ?? "", name: spec?.id ?? "", status };
}
