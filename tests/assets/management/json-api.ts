/**
 * A plain client of a Kubernetes API for tests: paths and JSON, nothing else. It is deliberately not the product's client: what a test sees must not depend on
 * what it tests.
 */
import { Agent, request } from "node:https";

export interface JsonApiOptions {
  /** `https://host:port` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Calls that are under way at once; others wait. */
  readonly connections?: number;
}

/** Whatever the server has: tests read deep into objects of many kinds. */
export type Json = ReturnType<typeof JSON.parse>;

export class RefusedByServer extends Error {
  readonly status: number;

  constructor(method: string, path: string, status: number, body: string) {
    super(`${method} ${path}: ${status} ${messageOf(body)}`);
    this.status = status;
  }
}

const timeoutMs = 30_000;

export class JsonApi implements Disposable {
  readonly #options: JsonApiOptions;
  readonly #agent: Agent;

  constructor(options: JsonApiOptions) {
    this.#options = options;
    const { ca, cert, key, connections = 8 } = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ca, cert, key });
  }

  get(path: string): Promise<Json> {
    return this.#call("GET", path);
  }

  /** Undefined where there is none. */
  async find(path: string): Promise<Json | undefined> {
    return this.get(path).catch(undefinedWhen(404));
  }

  async list(path: string): Promise<readonly Json[]> {
    return (await this.get(path)).items;
  }

  post(path: string, body: Json): Promise<Json> {
    return this.#call("POST", path, body);
  }

  /** Server-side apply by the manager `test`, with force. */
  apply(path: string, body: Json): Promise<Json> {
    return this.#call("PATCH", `${path}?fieldManager=test&force=true`, body, "application/apply-patch+yaml");
  }

  merge(path: string, patch: Json): Promise<Json> {
    return this.#call("PATCH", path, patch, "application/merge-patch+json");
  }

  /** What is gone already is no failure. */
  async delete(path: string): Promise<void> {
    await this.#call("DELETE", path).catch(undefinedWhen(404));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #call(method: string, path: string, body?: Json, type = "application/json"): Promise<Json> {
    const { status, text } = await this.#send(method, path, body, type);
    if (status < 200 || status > 299) throw new RefusedByServer(method, path, status, text);
    return JSON.parse(text);
  }

  #send(method: string, path: string, body: Json, type: string): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const headers = { accept: "application/json", ...(body !== undefined && { "content-type": type }) };
    const call = request(
      `${this.#options.url}${path}`,
      { method, headers, agent: this.#agent, timeout: timeoutMs },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      },
    );
    call.on("timeout", () => call.destroy(new Error(`${method} ${path}: no answer within ${timeoutMs} ms`)));
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

function undefinedWhen(status: number): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof RefusedByServer && error.status === status) return undefined;
    throw error;
  };
}

function messageOf(body: string): string {
  try {
    return String(JSON.parse(body).message);
  } catch {
    return body.slice(0, 300);
  }
}

const pauseMs = 150;

/** Asks until the answer is something; `undefined` and errors of the API server mean "not yet". The failure says what was seen last. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { readonly timeoutMs?: number; readonly seen?: () => Promise<unknown> } = {},
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 60_000);
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (error instanceof Error && error.name === "AssertionError") last = error.message;
      else last = error;
    }
    if (performance.now() > deadline) {
      const seen = await options.seen?.().catch((error: unknown) => error);
      throw new Error(
        `not in time: ${what}\n${last === undefined ? "" : String(last)}\n${seen === undefined ? "" : String(seen)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
