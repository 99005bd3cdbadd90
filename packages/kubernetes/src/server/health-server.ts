/**
 * `/healthz` and `/readyz` as kubelet and people ask for them: named checks, all or one (`/readyz/webhook`), told apart with `?verbose`.
 *
 * A process is healthy when it can still do its work, ready when it should get traffic: webhooks and health do not wait for leadership.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, PlatformError, systemClock, withDeadline } from "@liquidmetal/foundation";
import { listen } from "./listener.ts";

/** Throws, or rejects, when it fails; its message is shown. */
export type HealthCheck = () => void | Promise<void>;

export interface HealthServerOptions {
  /** Absent = all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly healthz: Readonly<Record<string, HealthCheck>>;
  readonly readyz: Readonly<Record<string, HealthCheck>>;
  readonly clock?: Clock;
}

export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

/** A check that does not answer in this time has failed, milliseconds. */
const checkTimeoutMs = 5_000;

/** Throws `CONFIG_INVALID` when the address cannot be listened on. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, clock = systemClock } = options;
  const sets: ReadonlyMap<string, Readonly<Record<string, HealthCheck>>> = new Map([
    ["healthz", options.healthz],
    ["livez", options.healthz],
    ["readyz", options.readyz],
  ]);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://health");
    const [set = "", name, ...rest] = url.pathname.slice(1).replace(/\/$/, "").split("/");
    const checks = chosen(sets.get(set), name);
    if (checks === undefined || rest.length > 0) return reply(response, 404, "404 page not found\n");
    const results = await Promise.all(checks.map(([check, run]) => outcome(check, run, clock)));
    const well = results.every(({ failure }) => failure === undefined);
    const lines = results.map(({ check, failure }) =>
      failure === undefined ? `[+]${check} ok` : `[-]${check} failed: ${failure}`,
    );
    if (well && !url.searchParams.has("verbose")) return reply(response, 200, "ok");
    reply(response, well ? 200 : 500, `${lines.join("\n")}\n${set} check ${well ? "passed" : "failed"}\n`);
  };
  const listener = await listen({ port, handle, ...(host === undefined ? {} : { host }) });
  return { port: listener.port, [Symbol.asyncDispose]: () => listener.close(1_000) };
}

/** `ping` is always there: the process answers. */
function chosen(
  checks: Readonly<Record<string, HealthCheck>> | undefined,
  name: string | undefined,
): readonly (readonly [string, HealthCheck])[] | undefined {
  if (checks === undefined) return undefined;
  const all: readonly (readonly [string, HealthCheck])[] = [["ping", () => undefined], ...Object.entries(checks)];
  if (name === undefined) return all;
  const one = all.filter(([check]) => check === name);
  return one.length === 0 ? undefined : one;
}

async function outcome(
  check: string,
  run: HealthCheck,
  clock: Clock,
): Promise<{ readonly check: string; readonly failure?: string }> {
  try {
    await withDeadline({ clock, timeoutMs: checkTimeoutMs, waitingFor: `the check ${check}` }, async () => run());
    return { check };
  } catch (error) {
    return { check, failure: PlatformError.from(error).message };
  }
}

function reply(response: ServerResponse, code: number, text: string): void {
  response
    .writeHead(code, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" })
    .end(text);
}
