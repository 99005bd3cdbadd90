/** The JSON body of a request, never more of it than allowed. */
import type { IncomingMessage } from "node:http";
import { PlatformError } from "@liquidmetal/foundation";

/** Throws `CAPACITY_EXCEEDED` beyond `limitBytes`, `REQUEST_INVALID` for what is no JSON, or the signal's reason. */
export async function readBody(request: IncomingMessage, limitBytes: number, signal: AbortSignal): Promise<unknown> {
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json\b/.test(type)) {
    throw new PlatformError("REQUEST_INVALID", `the content type is '${type}', not application/json`);
  }
  // Said beforehand, it can be answered; reading on and stopping in the middle cuts the connection.
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new PlatformError("REQUEST_INVALID", "the request is no JSON", { cause: error });
  }
}

function tooLarge(limitBytes: number): PlatformError {
  return new PlatformError("CAPACITY_EXCEEDED", `the request is larger than ${limitBytes} bytes`);
}
