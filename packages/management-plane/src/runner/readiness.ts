/** Asks a process whether it is ready, again and again until it is, ends, or the deadline passes. */
import { readFile } from "node:fs/promises";
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import { type Clock, PlatformError, sleep } from "@liquidmetal/foundation";
import type { ReadinessProbe } from "../plan/process-plan.ts";

const pauseMs = 50;
const answerMs = 5_000;

export interface ReadinessOptions {
  /** For messages. */
  readonly name: string;
  readonly clock: Clock;
  /** Aborted with the reason when the process has ended or the caller gave up. */
  readonly signal: AbortSignal;
}

/** DEADLINE_EXCEEDED with the last answer when it does not get ready in time. */
export async function awaitReady(probe: ReadinessProbe, { name, clock, signal }: ReadinessOptions): Promise<void> {
  const deadline = clock.monotonicMs() + probe.deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask(probe, signal);
    if (answer === "ready") return;
    if (clock.monotonicMs() > deadline)
      throw new PlatformError("DEADLINE_EXCEEDED", `${name} is not ready after ${probe.deadlineMs} ms: ${answer}`);
    await sleep(clock, pauseMs, signal);
  }
}

/** One question: "ready", or what is wrong. */
export async function ask(probe: ReadinessProbe, signal?: AbortSignal): Promise<"ready" | string> {
  try {
    const [ca, cert, key] = await Promise.all(
      [probe.authority, probe.certificate, probe.key].map((file) => file && readFile(file)),
    );
    const status = await statusOf(probe.url, { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }, signal);
    return status === 200 ? "ready" : `it answers ${status}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function statusOf(
  url: string,
  tls: { readonly ca?: Buffer | string; readonly cert?: Buffer | string; readonly key?: Buffer | string },
  signal?: AbortSignal,
): Promise<number> {
  const get = url.startsWith("https:") ? getSecure : getPlain;
  return new Promise((resolve, reject) => {
    const request = get(url, { ...tls, agent: false, timeout: answerMs, ...(signal && { signal }) }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${answerMs} ms`)));
    request.on("error", reject);
  });
}
