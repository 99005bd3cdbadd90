/** `lm _connect ADDRESS[,ADDRESS…] PORT`: a TCP connection on standard input and output, for ssh's ProxyCommand inside a network namespace. */
import { connect, type Socket } from "node:net";
import type { Command } from "../../program/command.ts";
import { usage } from "../../program/flag-values.ts";

const tryMs = 300;

export const command: Command = {
  path: ["_connect"],
  summary: "Connect standard input and output to an address",
  hidden: true,
  positionals: [
    { name: "ADDRESSES", summary: "addresses of one machine; the first that answers is taken", required: true },
    { name: "PORT", summary: "port", required: true },
  ],
  flags: [{ name: "timeout", value: "DURATION", summary: "how long to try" }],
  examples: [],
  run: async (invocation, session) => {
    const [hosts = "", portText = ""] = invocation.positionals;
    const port = Number(portText);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usage(`'${portText}' is no port`);
    const deadline = AbortSignal.timeout(invocation.flags.durationMs("timeout") ?? 30_000);
    const signal = AbortSignal.any([session.signal, deadline]);
    const attempts = hosts.split(",").map((host) => reach(host, port, signal));
    const socket = await Promise.any(attempts).catch((error: unknown) => {
      const reasons = error instanceof AggregateError ? error.errors : [error];
      session.warn(`no connection: ${reasons.map((reason) => (reason as Error).message).join("; ")}`);
    });
    if (socket === undefined) return 1;
    for (const attempt of attempts) {
      attempt.then((other) => other === socket || other.destroy()).catch(() => undefined);
    }
    session.terminal.stdin.pipe(socket);
    socket.pipe(session.terminal.stdout, { end: false });
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      session.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return 0;
  },
};

/** Tries until it is connected: a guest whose ssh daemon is not up yet refuses. Rejects, at the signal, with the last reason. */
async function reach(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  let last = "no answer in time";
  while (!signal.aborted) {
    const socket = connect({ host, port });
    const failure = await new Promise<string | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", (error) => resolve(error.message));
      signal.addEventListener("abort", () => resolve(last), { once: true });
    });
    if (failure === undefined) {
      // What goes wrong from here on ends the connection; ssh tells of it.
      socket.on("error", () => undefined);
      return socket;
    }
    socket.destroy();
    last = failure;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, tryMs);
      signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
  throw new Error(`${host}:${port}: ${last}`);
}
