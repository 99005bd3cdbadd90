/**
 * Answers of an API server with everything that is in them: status, warnings, body. For tests of what a user is told; other tests have `JsonApi`.
 */
import { Agent, request } from "node:https";
import type { ApiServer } from "./management-plane.ts";

export interface Answer {
  readonly status: number;
  /** Texts of the Warning headers. */
  readonly warnings: readonly string[];
  /** JSON of any shape: tests read deep into it. */
  readonly body: ReturnType<typeof JSON.parse>;
}

const mediaTypes = {
  json: "application/json",
  merge: "application/merge-patch+json",
  apply: "application/apply-patch+yaml",
  table: "application/json",
} as const;

const timeoutMs = 30_000;

export class ApiAnswers implements Disposable {
  readonly #server: Pick<ApiServer, "url" | "ca" | "cert" | "key">;
  readonly #agent: Agent;

  constructor(server: Pick<ApiServer, "url" | "ca" | "cert" | "key">) {
    this.#server = server;
    const { ca, cert, key } = server;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, ca, cert, key });
  }

  /** Never rejects for what the server answers, only when it does not. */
  ask(method: string, path: string, body?: unknown, type: keyof typeof mediaTypes = "json"): Promise<Answer> {
    const accept = type === "table" ? "application/json;as=Table;v=v1;g=meta.k8s.io" : "application/json";
    return new Promise((resolve, reject) => {
      const options = {
        method,
        agent: this.#agent,
        headers: { accept, "content-type": mediaTypes[type] },
        signal: AbortSignal.timeout(timeoutMs),
      };
      const call = request(`${this.#server.url}${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const [text, warning] = [Buffer.concat(chunks).toString(), String(response.headers["warning"] ?? "")];
          const warnings = [...warning.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, said = ""]) =>
            said.replaceAll("\\", ""),
          );
          resolve({ status: response.statusCode ?? 0, warnings, body: JSON.parse(text) });
        });
      });
      call.on("error", reject);
      call.end(body === undefined ? "" : JSON.stringify(body));
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
