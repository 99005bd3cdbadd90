/** Speaking to a supervisor. */
import { connect } from "node:net";
import type { ControlRequest, SupervisorStatus } from "./status.ts";

/** Every status that the supervisor sends. Ends when it closes the connection; throws when nobody listens there. */
export async function* control(
  path: string,
  request: ControlRequest,
  signal: AbortSignal,
): AsyncGenerator<SupervisorStatus> {
  const socket = connect(path);
  const abort = (): void => {
    socket.destroy();
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed")));
    });
    socket.write(`${request}\n`);
    let rest = "";
    for await (const chunk of socket) {
      rest += String(chunk);
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as SupervisorStatus;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/** The supervisor's status; `undefined` when none runs there. */
export async function supervisorStatus(path: string, timeoutMs = 2_000): Promise<SupervisorStatus | undefined> {
  try {
    for await (const status of control(path, "status", AbortSignal.timeout(timeoutMs))) return status;
  } catch {
    return undefined;
  }
  return undefined;
}
