/** One gRPC call over a Unix socket with nothing but Node's HTTP/2: is the server alive, and what does it say of itself? */
import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";

/** Timers may be early by a little. */
const timerGrainMs = 2;

/** Calls `path` with an empty message, with an access token where the server wants one. Resolves with the bytes of the answer, or `undefined` when there is none within the deadline. */
export function emptyCall(
  socketPath: string,
  path: string,
  timeoutMs: number,
  token?: string,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const session = connectHttp2("http://localhost", { createConnection: () => connectSocket(socketPath) });
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    const finish = (answer: Uint8Array | undefined): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(answer);
    };
    session.on("error", () => finish(undefined));
    const request = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...(token === undefined ? {} : { authorization: `Basic ${Buffer.from(token).toString("base64")}` }),
    });
    const chunks: Buffer[] = [];
    let status: unknown = "0";
    request.on("error", () => finish(undefined));
    request.on("response", (headers) => {
      status = headers["grpc-status"] ?? status;
    });
    request.on("trailers", (trailers) => {
      status = trailers["grpc-status"] ?? status;
    });
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => finish(String(status) === "0" ? Buffer.concat(chunks).subarray(5) : undefined));
    // A message of length zero: no compression flag, four bytes of length.
    request.end(Buffer.alloc(5));
  });
}

/** containerd's version, when it answers. */
export async function containerdVersion(socketPath: string, timeoutMs: number): Promise<string | undefined> {
  const answer = await emptyCall(socketPath, "/containerd.services.version.v1.Version/Version", timeoutMs);
  return answer === undefined ? undefined : textField(answer, 1);
}

/** True when the standard health service says SERVING, or when the server answers but wants a token. */
export async function isServing(socketPath: string, timeoutMs: number): Promise<boolean> {
  const answer = await emptyCall(socketPath, "/grpc.health.v1.Health/Check", timeoutMs);
  return answer !== undefined && answer[0] === 0x08 && answer[1] === 1;
}

/** True when somebody holds the socket and says nothing at all, not even no, within the time. */
export async function saysNothing(socketPath: string, timeoutMs: number): Promise<boolean> {
  const startedMs = performance.now();
  const answer = await emptyCall(socketPath, "/grpc.health.v1.Health/Check", timeoutMs);
  return answer === undefined && performance.now() - startedMs >= timeoutMs - timerGrainMs;
}

/** The version that flintlock's ServerInfo tells. */
export async function agentVersion(socketPath: string, timeoutMs: number, token?: string): Promise<string | undefined> {
  const answer = await emptyCall(socketPath, "/microvm.services.api.v1alpha1.MicroVM/ServerInfo", timeoutMs, token);
  return answer === undefined ? undefined : textField(answer, 1);
}

/** A short text field of a flat protobuf message (lengths below 128, which versions are). */
function textField(message: Uint8Array, wanted: number): string | undefined {
  let offset = 0;
  while (offset + 1 < message.length) {
    const key = message[offset] ?? 0;
    const length = message[offset + 1] ?? 0;
    if ((key & 7) !== 2 || length > 127) return undefined;
    if (key >> 3 === wanted) return Buffer.from(message.subarray(offset + 2, offset + 2 + length)).toString("utf8");
    offset += 2 + length;
  }
  return undefined;
}
