/** `lm _connect ADDRESS PORT`: a TCP connection on standard input and output, for ssh's ProxyCommand inside a network namespace. */
import { connect } from "node:net";
import type { Command } from "../../program/command.ts";
import { usage } from "../../program/flag-values.ts";

const tryMs = 300;

export const command: Command = {
  path: ["_connect"],
  summary: "Connect standard input and output to an address",
  hidden: true,
  positionals: [
    { name: "ADDRESS", summary: "address", required: true },
    { name: "PORT", summary: "port", required: true },
  ],
  flags: [{ name: "timeout", value: "DURATION", summary: "how long to try" }],
  examples: [],
  run: async (invocation, session) => {
    const [host = "", portText = ""] = invocation.positionals;
    const port = Number(portText);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usage(`'${portText}' is no port`);
    const deadline = AbortSignal.timeout(invocation.flags.durationMs("timeout") ?? 30_000);
    for (;;) {
      const socket = connect({ host, port });
      const failure = await new Promise<Error | undefined>((resolve) => {
        socket.once("connect", () => resolve(undefined));
        socket.once("error", resolve);
        deadline.addEventListener("abort", () => resolve(new Error("no answer in time")), { once: true });
        session.signal.addEventListener("abort", () => resolve(new Error("interrupted")), { once: true });
      });
      if (failure === undefined) {
        session.terminal.stdin.pipe(socket);
        socket.pipe(session.terminal.stdout, { end: false });
        await new Promise<void>((resolve) => {
          socket.once("close", () => resolve());
          session.signal.addEventListener("abort", () => resolve(), { once: true });
        });
        return 0;
      }
      socket.destroy();
      if (deadline.aborted || session.signal.aborted) {
        session.warn(`${host}:${port}: ${failure.message}`);
        return 1;
      }
      // A guest whose ssh daemon is not up yet refuses; it is asked again until the deadline.
      await new Promise<void>((resolve) => setTimeout(resolve, tryMs));
    }
  },
};
