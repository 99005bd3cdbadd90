/** Starts a process of fake flintlockds and commands it. Disposing it ends the process; it also ends when this one does. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Control, ControlAnswer, ControlledMicroVm } from "./control.ts";

interface Answer {
  readonly id: number;
  readonly answer?: ControlAnswer;
  readonly error?: string;
}

export class FakeFlintlockdProcess implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: Map<number, PromiseWithResolvers<ControlAnswer>> = new Map();
  #next = 0;

  constructor() {
    const program = join(import.meta.dirname, "main.ts");
    const args = ["--disable-warning=ExperimentalWarning", program];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdin.on("error", () => undefined);
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(JSON.parse(line)));
    this.#child.once("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the fakes ended (${code ?? signal})`));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves with the endpoint. */
  async start(name: string, options: Extract<Control, { do: "start" }>["options"] = {}): Promise<string> {
    return String(await this.tell({ do: "start", name, options }));
  }

  async microVms(name: string): Promise<readonly ControlledMicroVm[]> {
    const answer = await this.tell({ do: "microVms", name });
    return Array.isArray(answer) ? answer : [];
  }

  /** Rejects with what the fake says, or when the process has ended. */
  async tell(control: Control): Promise<ControlAnswer> {
    const id = ++this.#next;
    const waiting = Promise.withResolvers<ControlAnswer>();
    this.#waiting.set(id, waiting);
    this.#child.stdin.write(`${JSON.stringify({ id, control })}\n`);
    return await waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(late);
  }

  #hear({ id, answer = null, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(error));
  }
}
