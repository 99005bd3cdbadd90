/** How long the driver waits for QEMU and its guests, in milliseconds. Each can be set by tests and by slow hosts. */
export interface QemuTimings {
  /** From spawn to a control socket that answers. */
  readonly controlMs: number;
  /** Silence of a guest's kernel after power-on that counts as a hang: under KVM, and under TCG. */
  readonly silenceKvmMs: number;
  readonly silenceTcgMs: number;
  /** From a kernel panic to the end of the guest, unless it reboots before. */
  readonly panicMs: number;
  /** From `quit` to SIGKILL. */
  readonly quitMs: number;
  /** From SIGKILL to giving up (a process stuck in the kernel). */
  readonly killMs: number;
}

export const qemuTimings: QemuTimings = {
  controlMs: 15_000,
  silenceKvmMs: 20_000,
  silenceTcgMs: 60_000,
  panicMs: 3_000,
  quitMs: 1_000,
  killMs: 15_000,
};
