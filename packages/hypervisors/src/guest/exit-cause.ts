/** Why a guest ended: gathers what was seen on the way, and decides when the process is gone. */
import type { GuestExit, ProcessExit } from "@liquidmetal/microvm";

export class ExitCause {
  #requested = false;
  #hung: string | undefined;
  #panic: string | undefined;
  #shutdown: string | undefined;

  get panicked(): boolean {
    return this.#panic !== undefined;
  }

  /** We asked it to stop. */
  request(): void {
    this.#requested = true;
  }

  hang(message: string): void {
    this.#hung ??= message;
  }

  panic(message: string): void {
    this.#panic ??= message;
  }

  /** The VMM announced the end, with its reason (`guest-shutdown`, `guest-reset`, `host-signal`, …). */
  shutdown(reason: string): void {
    this.#shutdown ??= reason;
  }

  decide(exit: ProcessExit, atMs: number): GuestExit {
    const how = exit.signal ?? (exit.code === undefined ? "unknown status" : `code ${exit.code}`);
    const base = {
      atMs,
      ...(exit.code === undefined ? {} : { exitCode: exit.code }),
      ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    };
    if (this.#hung !== undefined) return { ...base, cause: "hung", message: this.#hung };
    if (this.#requested) return { ...base, cause: "requested", message: "stopped on request" };
    if (this.#panic !== undefined)
      return { ...base, cause: "panicked", message: `the guest's kernel panicked: ${this.#panic}` };
    switch (this.#shutdown) {
      case "guest-shutdown":
        return { ...base, cause: "powered-off", message: "the guest powered itself off" };
      case "guest-reset":
        return { ...base, cause: "rebooted", message: "the guest rebooted itself" };
      case "guest-panic":
        return { ...base, cause: "panicked", message: "the guest's kernel panicked" };
      case undefined:
        return { ...base, cause: "crashed", message: `the VMM ended unexpectedly (${how})` };
      default:
        return { ...base, cause: "crashed", message: `the VMM was ended from outside (${this.#shutdown}, ${how})` };
    }
  }
}
