/** The supervisor's control socket: one word in, lines of JSON out. Mode 0600, so that only the owner speaks to it. */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Supervisor } from "./supervisor.ts";

/** Longer than any request. */
const requestLimitBytes = 64;

export function serveControl(supervisor: Supervisor, path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      if (text.length > requestLimitBytes) socket.destroy();
      else if (text.includes("\n")) answer(supervisor, socket, text.slice(0, text.indexOf("\n")));
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The lock is ours: whoever made this socket is gone.
    rmSync(path, { force: true });
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve(server);
    });
  });
}

function answer(supervisor: Supervisor, socket: Socket, request: string): void {
  const tell = (): void => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(supervisor.status())}\n`);
  };
  switch (request) {
    case "status":
      tell();
      socket.end();
      return;
    case "watch": {
      const listening = supervisor.onChange(tell);
      socket.once("close", () => listening[Symbol.dispose]());
      tell();
      return;
    }
    case "stop":
    case "stop-management-plane": {
      const listening = supervisor.onChange(tell);
      socket.once("close", () => listening[Symbol.dispose]());
      const stopped = request === "stop" ? supervisor.stop() : supervisor.stopGroup("management-plane");
      void stopped.then(() => {
        tell();
        socket.end();
      });
      return;
    }
    case "leave":
      tell();
      socket.end();
      supervisor.leave();
      return;
    default:
      socket.destroy();
  }
}
