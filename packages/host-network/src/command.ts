/** Runs the system's network tools through the spawner, in the platform's network namespace. */
import { PlatformError } from "@liquidmetal/foundation";
import type { RunResult, Spawner } from "@liquidmetal/microvm";

export interface CommandOptions {
  readonly stdin?: string;
  /** Runs it in this namespace (by `setns` in the spawner; `ip` has its own way and does not need it). */
  readonly networkNamespace?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds that one tool may take: a batch of hundreds of devices is done in less than two seconds. */
const commandTimeoutMs = 20_000;

/** Runs a tool and returns what came out, whatever its exit code. Throws when it could not be run. */
export async function runTool(
  spawner: Spawner,
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<RunResult> {
  const { stdin, networkNamespace, signal } = options;
  const result = await spawner.run({
    program,
    args,
    timeoutMs: commandTimeoutMs,
    ...(stdin === undefined ? {} : { stdin }),
    ...(networkNamespace === undefined ? {} : { networkNamespace }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (!result.ok) throw result.error;
  return result.value;
}

/** Runs a tool that has to succeed. Throws NETWORK_FAILED with the tool's own words. */
export async function requireTool(
  spawner: Spawner,
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await runTool(spawner, program, args, options);
  if (result.code !== 0) throw toolFailure(`${program} ${args.slice(0, 6).join(" ")}`, result);
  return result.stdout;
}

export function toolFailure(what: string, result: RunResult): PlatformError {
  const words = result.stderr.trim().split("\n").slice(0, 3).join("; ").slice(0, 400);
  return new PlatformError("NETWORK_FAILED", `${what}: exit code ${result.code}${words === "" ? "" : `: ${words}`}`);
}
