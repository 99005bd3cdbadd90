/**
 * The console, both ways. On a terminal: raw mode, every key goes to the guest, Ctrl-] leaves; the terminal is put back on any exit.
 */
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { findMicroVm } from "./target.ts";

/** Ctrl-], as telnet and virsh have it. */
const escapeByte = 0x1d;

export async function attachConsole(invocation: Invocation, session: Session): Promise<number | undefined> {
  const timeoutMs = invocation.flags.durationMs("timeout");
  const host = await session.host();
  const view = await findMicroVm(session, host, invocation.positionals[0] ?? "");
  const left = new AbortController();
  const timer = timeoutMs === undefined ? undefined : session.clock.timer(timeoutMs, () => left.abort());
  const signal = AbortSignal.any([session.signal, left.signal]);
  const interactive = session.terminal.stdin.isTTY === true;
  if (interactive) session.note(`Attached to ${view.namespace}/${view.name}; leave with Ctrl-]`);
  const restore = interactive ? rawMode(session) : () => undefined;
  try {
    const input = typed(session, signal, interactive ? () => left.abort() : undefined);
    await copyOut(session, host.console(view.uid, input, { signal }));
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    timer?.cancel();
    restore();
    if (interactive) session.note("");
  }
  return undefined;
}

/** Bytes to standard output, waiting where it is slow. */
export async function copyOut(session: Session, source: AsyncIterable<{ readonly data: Uint8Array }>): Promise<void> {
  const { stdout } = session.terminal;
  for await (const { data } of source) {
    if (!stdout.write(data)) {
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          stdout.removeListener("drain", settle);
          stdout.removeListener("close", settle);
          session.signal.removeEventListener("abort", settle);
          resolve();
        };
        stdout.once("drain", settle);
        stdout.once("close", settle);
        session.signal.addEventListener("abort", settle, { once: true });
      });
    }
  }
}

/** What is typed or piped in. Ends with the signal; the end of a pipe leaves the console attached. */
async function* typed(
  session: Session,
  signal: AbortSignal,
  leave: (() => void) | undefined,
): AsyncGenerator<Uint8Array> {
  const { stdin } = session.terminal;
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const chunks = stdin[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([chunks.next(), aborted]);
    if (next === undefined) return;
    if (next.done === true) break;
    const bytes = typeof next.value === "string" ? Buffer.from(next.value) : next.value;
    const at = leave === undefined ? -1 : bytes.indexOf(escapeByte);
    if (at < 0) {
      yield bytes;
      continue;
    }
    if (at > 0) yield bytes.subarray(0, at);
    leave?.();
    return;
  }
  await aborted;
}

function rawMode(session: Session): () => void {
  const { stdin } = session.terminal;
  const before = stdin.isRaw ?? false;
  const restore = (): void => {
    stdin.setRawMode?.(before);
    process.removeListener("exit", restore);
  };
  stdin.setRawMode?.(true);
  // Whatever ends this process by its own hand, the user's shell finds its terminal usable.
  process.once("exit", restore);
  return restore;
}
