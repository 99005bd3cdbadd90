/** Runs `go` and says in our words what commonly goes wrong: a module that is not what go.sum says, a lock with a gap, no network, a full disk. */
import { PlatformError } from "@liquidmetal/foundation";
import { tryTool } from "../system-tool.ts";
import { type GoEnvironmentOptions, goEnvironment } from "./environment.ts";
import type { GoToolchain } from "./toolchain.ts";

export interface GoRun extends GoEnvironmentOptions {
  readonly toolchain: GoToolchain;
  /** The folder of `go.mod`. */
  readonly directory: string;
  /** Each line of stderr: what is downloaded, what is compiled. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Kubernetes compiles in minutes; a machine that needs more than this has another problem. */
const timeoutMs = 2 * 60 * 60_000;
const maxOutputBytes = 64 * 1024 * 1024;
const keptLines = 12;
/** By go.sum, and by the checksum database when a lock is written. */
const mismatches = [
  /verifying (\S+?)@(\S+?)(?:\/go\.mod)?: checksum mismatch/,
  /(\S+?)@(\S+?): verifying (?:module|go\.mod): checksum mismatch/,
];

/** Returns stdout. */
export async function runGo(args: readonly string[], run: GoRun): Promise<string> {
  const said: string[] = [];
  const result = await tryTool(run.toolchain.program, args, {
    cwd: run.directory,
    environment: goEnvironment(run),
    timeoutMs,
    maxOutputBytes,
    onErrorLine: (line) => {
      run.onLine?.(line);
      if (line.trim() !== "" && !line.startsWith("go: downloading ")) said.push(line);
      if (said.length > 4 * keptLines) said.splice(0, keptLines);
    },
    ...(run.signal && { signal: run.signal }),
  });
  if (result.exitCode === 0) return result.stdout.toString();
  throw goFailure(args[0] ?? "", result.exitCode, said);
}

/** What a failed run of Go means; `lines` are the last ones of its stderr. */
export function goFailure(command: string, exitCode: number, lines: readonly string[]): PlatformError {
  const text = lines.join("\n");
  const [, path, version] = mismatches.map((each) => each.exec(text)).find((match) => match !== null) ?? [];
  if (path !== undefined && version !== undefined) return mismatch(path, version, lines);
  const tail = `go ${command} ended with ${exitCode}: ${lines.slice(-keptLines).join("\n")}`;
  if (/no space left on device/.test(text)) return new PlatformError("DISK_FULL", tail);
  return new PlatformError("IMAGE_BUILD_FAILED", tail, remedyOf(text));
}

function mismatch(path: string, version: string, lines: readonly string[]): PlatformError {
  const digests = lines.map((line) => line.trim()).filter((line) => /^\S+: +h1:/.test(line));
  const asked = digests.some((line) => line.startsWith("go.sum:")) ? "go.sum" : "the checksum database";
  return new PlatformError(
    "IMAGE_INPUT_MISMATCH",
    `the Go module ${path} ${version} is not what ${asked} says (${digests.join("; ")})`,
    { remedy: "ask who runs the module proxy (go env GOPROXY); 'go clean -modcache' removes this machine's copies" },
  );
}

function remedyOf(text: string): { readonly remedy?: string } {
  if (/missing go\.sum entry|updates to go\.mod needed|go mod tidy/.test(text)) {
    return { remedy: "the lock does not cover what is compiled: write it again with 'lm image lock'" };
  }
  if (/GOPROXY=off|dial tcp|no such host|connection refused|i\/o timeout|TLS handshake timeout/.test(text)) {
    return { remedy: "modules that are not in Go's cache yet need a module proxy: see 'go env GOPROXY'" };
  }
  if (/requires go >= (\S+)/.test(text)) return { remedy: "install a newer Go and put it in PATH" };
  return {};
}
