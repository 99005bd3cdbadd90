/** Reads bodies of bounded size, and makes errors out of what the server refused. */
import type { Dispatcher } from "undici";
import { ApiError } from "./api-error.ts";

/** An error's body is read no further than this. */
const errorLimitBytes = 1_048_576;
/** Text of something that is not Kubernetes (a proxy's page) is cut here. */
const foreignTextLength = 300;

/** The body is larger than this client takes; what is asked for in parts may be asked for in smaller ones. */
export class BodyTooLarge extends ApiError {
  constructor(limitBytes: number) {
    super(`the answer has more than ${limitBytes} bytes`, { httpStatus: 200, reason: "RequestEntityTooLarge" });
  }
}

/** Throws BodyTooLarge, or what breaks the connection. */
export async function readBody(response: Dispatcher.ResponseData, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    sizeBytes += chunk.length;
    // Leaving the loop destroys the stream and its connection.
    if (sizeBytes > limitBytes) throw new BodyTooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}

/** The error that a response with a status from 300 on stands for. */
export async function refusal(response: Dispatcher.ResponseData, operation: string): Promise<ApiError> {
  const body = await readBody(response, errorLimitBytes).catch(() => Buffer.alloc(0));
  const retryAfterMs = retryAfter(response.headers["retry-after"]);
  const context = { operation, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return ApiError.fromStatus(response.statusCode, statusIn(body, response.headers["content-type"]), context);
}

function statusIn(body: Buffer, contentType: string | string[] | undefined): unknown {
  const text = body.toString("utf8");
  if (String(contentType).includes("json")) {
    try {
      return JSON.parse(text);
    } catch {
      // A body that ends too early is as good as none.
      return undefined;
    }
  }
  const message = text
    .replaceAll(/<[^>]*>|\s+/g, " ")
    .trim()
    .slice(0, foreignTextLength);
  return message === "" ? undefined : { message };
}

/** Seconds, as Kubernetes sends them; a date is for others. */
function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(Array.isArray(header) ? header[0] : (header ?? Number.NaN));
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
