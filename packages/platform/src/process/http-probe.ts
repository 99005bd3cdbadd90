/** One GET, maybe through a CONNECT proxy on a Unix socket: does a server say that it is ready? Made for programs that answer 200, or say why not. */
import { readFileSync } from "node:fs";
import { type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { request as secureRequest } from "node:https";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface HttpProbe {
  readonly url: string;
  /** Unix socket that is asked, rather than what the URL names. */
  readonly socket?: string;
  /** What a good answer says; absent = any with status 200 is good. */
  readonly says?: string;
  /** Of the proxy through which it is asked; absent = directly. */
  readonly proxySocket?: string;
  /** PEM files, for https. */
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
}

const answerBytes = 2_000;

/** What is said of a server that took the connection, or did not even refuse it, and then says nothing. */
export const silent = "it does not answer";

/** "ready", or what is wrong. Never throws. */
export async function askHttp(probe: HttpProbe, timeoutMs: number): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  let where = probe.proxySocket === undefined ? silent : "the gateway does not answer";
  try {
    const url = new URL(probe.url);
    const socket = probe.proxySocket === undefined ? undefined : await tunnel(probe.proxySocket, url.host, signal);
    where = silent;
    return await ask(probe, url, socket, signal);
  } catch (error) {
    if (signal.aborted) return where;
    return error instanceof Error ? error.message : String(error);
  }
}

function tunnel(socketPath: string, target: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = plainRequest({ socketPath, method: "CONNECT", path: target, agent: false, signal });
    request.once("connect", (response: IncomingMessage, socket: Socket) => {
      if (response.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(
          new Error(response.statusCode === 502 ? "nobody listens there" : `the gateway says ${response.statusCode}`),
        );
      }
    });
    request.once("error", (error) => reject(new Error(`the gateway cannot be asked: ${error.message}`)));
    request.end();
  });
}

function ask(probe: HttpProbe, url: URL, socket: Socket | undefined, signal: AbortSignal): Promise<string> {
  const secure = url.protocol === "https:";
  const tls = secure ? keys(probe) : {};
  const options: RequestOptions = {
    host: url.hostname,
    port: url.port,
    path: url.pathname,
    signal,
    ...tls,
    // An agent would make a connection of its own.
    ...(socket === undefined
      ? { agent: false as const, ...(probe.socket !== undefined && { socketPath: probe.socket }) }
      : {
          createConnection: () => (secure ? connectTls({ socket, ...tls, host: url.hostname }) : socket),
        }),
  };
  return new Promise((resolve, reject) => {
    const request = (secure ? secureRequest : plainRequest)(options, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        if (text.length < answerBytes) text += chunk.toString();
      });
      response.once("error", reject);
      response.once("end", () => {
        socket?.destroy();
        if (response.statusCode !== 200) resolve(said(response.statusCode ?? 0, text));
        else
          resolve(probe.says === undefined || text.trim() === probe.says ? "ready" : "another program answers there");
      });
    });
    request.once("error", (error) => {
      socket?.destroy();
      reject(error);
    });
    request.end();
  });
}

/** One line is an explanation; more is a report that nobody reads in a table. */
function said(status: number, text: string): string {
  const line = text.trim();
  return line === "" || line.includes("\n") ? `it answers ${status}` : line.slice(0, 200);
}

function keys({ authority, certificate, key }: HttpProbe): {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
} {
  return {
    ...(authority !== undefined && { ca: readFileSync(authority) }),
    ...(certificate !== undefined && { cert: readFileSync(certificate) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  };
}
