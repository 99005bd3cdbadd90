/**
 * Asks a docker credential helper (`docker-credential-<name> get`) for the credentials of a registry.
 *
 * Source: github.com/docker/docker-credential-helpers: the server goes to stdin, JSON comes back; the user `<token>` marks an identity token.
 */
import { spawn } from "node:child_process";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { CredentialOptions, Credentials } from "./credentials.ts";

const timeoutMs = 30_000;
const outputMaxBytes = 64 * 1024;
const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

/** Undefined = the helper knows none. IMAGE_UNAUTHORIZED when it fails otherwise; what it printed is not in the error. */
export async function askHelper(
  helper: string,
  registry: string,
  options: Pick<CredentialOptions, "helperPath" | "signal"> = {},
): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(helper)) throw failed(helper, "that is no name of a helper");
  const server = registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
  const { exitCode, stdout } = await run(`docker-credential-${helper}`, server, helper, options);
  if (exitCode !== 0) {
    if (/credentials not found/i.test(stdout)) return undefined;
    throw failed(helper, `it ended with ${exitCode}`);
  }
  const answer = answerSchema.safeParse(parsed(stdout));
  if (!answer.success) throw failed(helper, "its answer is not understood");
  const { Username: username, Secret: secret } = answer.data;
  return username === "<token>"
    ? { username: "", password: "", identityToken: secret }
    : { username, password: secret };
}

function run(
  program: string,
  input: string,
  helper: string,
  { helperPath, signal }: Pick<CredentialOptions, "helperPath" | "signal">,
): Promise<{ readonly exitCode: number | null; readonly stdout: string }> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const ended = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, ...(helperPath !== undefined && { PATH: helperPath }) },
      signal: ended,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("utf8");
      if (stdout.length > outputMaxBytes) child.kill("SIGKILL");
    });
    // A helper that does not read its input says more by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(`${input}\n`);
    child.on("error", (error) => {
      if (signal?.aborted === true) reject(signal.reason);
      else
        reject(
          failed(helper, "code" in error && error.code === "ENOENT" ? `${program} is not installed` : error.message),
        );
    });
    child.on("close", (exitCode) => resolve({ exitCode, stdout }));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const failed = (helper: string, why: string): PlatformError =>
  new PlatformError("IMAGE_UNAUTHORIZED", `the credential helper '${helper.slice(0, 64)}' did not help: ${why}`);
