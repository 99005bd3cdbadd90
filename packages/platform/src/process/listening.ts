/** Does anybody take connections there? */
import { connect } from "node:net";

export type ListenerAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export function takesConnections(at: ListenerAddress, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at);
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
