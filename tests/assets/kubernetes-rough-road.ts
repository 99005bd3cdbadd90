/** A way to the real API server on which a test can count what is asked, and answer in its place. Plain HTTP on loopback. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import type { ApiServer } from "./management-plane.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** What the client got. */
  status: number;
}

/** An answer in the server's place; undefined lets the request through. */
export type Trouble = (asked: Asked) => { readonly status: number; readonly retryAfterSeconds?: number } | undefined;

export interface RoughRoad extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly Asked[];
  forget(): void;
  /** Requests that change something, by "METHOD resource[/subresource]". */
  writes(): Readonly<Record<string, number>>;
  trouble: Trouble | undefined;
}

export async function roughRoad(server: ApiServer): Promise<RoughRoad> {
  const agent = new Agent({ ca: server.ca, cert: server.cert, key: server.key, keepAlive: true });
  let asked: Asked[] = [];
  const road: { trouble: Trouble | undefined } = { trouble: undefined };
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { pathname: path } = new URL(incoming.url ?? "/", server.url);
    const entry: Asked = { method: incoming.method ?? "GET", path, status: 0 };
    asked.push(entry);
    const trouble = road.trouble?.(entry);
    if (trouble !== undefined) {
      entry.status = trouble.status;
      incoming.resume();
      refuse(outgoing, trouble.status, trouble.retryAfterSeconds);
      return;
    }
    const options = { agent, method: entry.method, headers: { ...incoming.headers, host: new URL(server.url).host } };
    const forward = httpsRequest(new URL(incoming.url ?? "/", server.url), options, (answer) => {
      entry.status = answer.statusCode ?? 0;
      outgoing.writeHead(entry.status, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    forward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forward.destroy());
    incoming.pipe(forward);
  };
  const listener = createServer(pass);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get asked() {
      return asked;
    },
    forget: () => {
      asked = [];
    },
    writes: () => {
      const counts: Record<string, number> = {};
      for (const { method, path } of asked) {
        if (method === "GET") continue;
        const name = `${method} ${resourceOf(path)}`;
        counts[name] = (counts[name] ?? 0) + 1;
      }
      return counts;
    },
    get trouble() {
      return road.trouble;
    },
    set trouble(trouble) {
      road.trouble = trouble;
    },
    [Symbol.asyncDispose]: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
      agent.destroy();
    },
  };
}

function refuse(outgoing: ServerResponse, code: number, retryAfterSeconds: number | undefined): void {
  const reason = { 409: "Conflict", 429: "TooManyRequests", 503: "ServiceUnavailable" }[code] ?? "Unknown";
  const body = { apiVersion: "v1", kind: "Status", status: "Failure", code, reason, message: "the road is rough" };
  const after = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  outgoing.writeHead(code, { "content-type": "application/json", ...after }).end(JSON.stringify(body));
}

/** "gadgets" or "gadgets/status" of ".../namespaces/ns/gadgets/name/status". */
function resourceOf(path: string): string {
  const [resource = "", , subresource] = path.replace(/^.*\/namespaces\/[^/]+\//, "").split("/");
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}
