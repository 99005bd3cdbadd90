/**
 * What can this machine do? Every check only looks; what one makes for a probe, it removes again. All run at once, each with a deadline: the whole
 * takes as long as the slowest.
 */
import { accelerationChecks } from "./acceleration.ts";
import { type Check, type CheckContext, type Finding, fail, warn } from "./finding.ts";
import { machineChecks } from "./machine.ts";
import { networkChecks } from "./network.ts";
import { programChecks } from "./programs.ts";
import { storageChecks } from "./storage.ts";

export type { Finding } from "./finding.ts";

export interface FindingsOptions {
  /** Boot a probe guest where KVM seems to be there (some seconds). */
  readonly probe: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (detail: string) => void;
}

const defaultTimeoutMs = 5_000;

export async function findings(options: FindingsOptions): Promise<readonly Finding[]> {
  const checks = [...machineChecks, ...accelerationChecks, ...programChecks, ...storageChecks, ...networkChecks];
  let done = 0;
  const results = await Promise.all(
    checks.map(async (check) => {
      const found = await examined(check, { signal: options.signal, probe: options.probe });
      done += 1;
      options.onProgress?.(`${done} of ${checks.length}`);
      return found;
    }),
  );
  options.signal.throwIfAborted();
  return results.flat();
}

async function examined(check: Check, context: CheckContext): Promise<readonly Finding[]> {
  const timeoutMs = check.timeoutMs ?? defaultTimeoutMs;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.signal, deadline]);
  const late = new Promise<readonly Finding[]>((resolve) => {
    deadline.addEventListener(
      "abort",
      () =>
        resolve([
          warn(check.id, check.title, `no answer within ${timeoutMs / 1_000} s`, "look at why this takes so long"),
        ]),
      { once: true },
    );
  });
  try {
    return await Promise.race([Promise.resolve(check.run({ ...context, signal })), late]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [fail(check.id, check.title, `could not be examined: ${why}`, "run 'lm doctor' as root")];
  }
}
