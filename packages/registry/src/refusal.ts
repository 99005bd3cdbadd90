/** What a registry's unwelcome answer means: an error with the right code, the registry's own words in it, and whether trying again makes sense. */
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";
import type { RegistryHost } from "./hosts.ts";
import { type HttpResponse, readBody } from "./http-request.ts";
import type { ImageReference } from "./reference.ts";

/** The code of everything that has no better one. */
type Failure = "IMAGE_PULL_FAILED" | "IMAGE_PUSH_FAILED";

const wordsMaxBytes = 64 * 1024;
const retryAfterMaxMs = 60_000;

export async function refusal(
  response: HttpResponse,
  host: RegistryHost,
  reference: ImageReference,
  what: string,
  failure: Failure = "IMAGE_PULL_FAILED",
): Promise<PlatformError> {
  const { status } = response;
  const said = await wordsOf(response);
  const words = said.message === "" ? "" : `: ${said.message}`;
  const text = `${reference.name}: ${new URL(host.baseUrl).host} answered ${status} for ${what}${words}`;
  const again = status === 408 || status === 429 || status >= 500;
  const afterMs = retryAfterMs(response);
  return new PlatformError(codeOf(status, said.code, failure), text, {
    ...(!again && { retry: "after-change" }),
    details: { status, ...(afterMs !== undefined && { retryAfterMs: afterMs }) },
  });
}

function codeOf(status: number, said: string, failure: Failure): ErrorCode {
  if (status === 401 || status === 403 || said === "UNAUTHORIZED" || said === "DENIED") return "IMAGE_UNAUTHORIZED";
  if (said === "DIGEST_INVALID") return "IMAGE_CORRUPT";
  if (status === 404 && failure === "IMAGE_PULL_FAILED") return "IMAGE_NOT_FOUND";
  return failure;
}

/** The first error of the distribution specification's error document, on one line. */
async function wordsOf(response: HttpResponse): Promise<{ readonly code: string; readonly message: string }> {
  try {
    const body = JSON.parse(String(await readBody(response, wordsMaxBytes))) as {
      errors?: { code?: unknown; message?: unknown }[];
    };
    const [first] = body.errors ?? [];
    const line = (value: unknown): string =>
      typeof value === "string" ? value.replace(/\p{Cc}+/gu, " ").slice(0, 300) : "";
    return { code: line(first?.code), message: line(first?.message) };
  } catch {
    return { code: "", message: "" };
  } finally {
    response.body.destroy();
  }
}

/** `Retry-After` in seconds or as a date; at most a minute. */
function retryAfterMs(response: HttpResponse): number | undefined {
  const text = response.headers["retry-after"];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), retryAfterMaxMs) : undefined;
}
