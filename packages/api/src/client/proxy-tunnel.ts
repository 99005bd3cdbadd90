/** A tunnel through an HTTP proxy: CONNECT over a socket that is connected to it. */
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { PlatformError } from "@liquidmetal/foundation";

export interface ProxyAddress {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly host: string;
  readonly secure: boolean;
  /** Value of `Proxy-Authorization`, if the URL had a user. */
  readonly authorization?: string;
}

/** Throws CONFIG_INVALID when `url` is not `http://` or `https://` with a host. */
export function parseProxy(url: string): ProxyAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== "http:" && parsed.protocol !== "https:") || parsed.hostname === "") {
    throw new PlatformError(
      "CONFIG_INVALID",
      `'${url.replace(/\/\/[^@/]*@/, "//…@")}' is not the URL of an HTTP proxy`,
      {
        remedy: "write http://host:port or https://host:port",
      },
    );
  }
  const secure = parsed.protocol === "https:";
  const address = `${parsed.hostname}:${parsed.port === "" ? (secure ? "443" : "80") : parsed.port}`;
  const user = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  return {
    address,
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    secure,
    ...(parsed.username === "" ? {} : { authorization: `Basic ${Buffer.from(user).toString("base64")}` }),
  };
}

/** Bytes of the answer's head that are read before giving up. */
const headMax = 16_384;

/** Resolves with the socket to use from now on; what the proxy sent beyond its answer is put back into it. */
export async function openTunnel(socket: Socket, proxy: ProxyAddress, target: string): Promise<Socket> {
  const carrier = proxy.secure ? await secured(socket, proxy.host) : socket;
  const authorization = proxy.authorization === undefined ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
  carrier.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`);
  const { status, reason, rest } = await answer(carrier);
  if (status !== 200) {
    const remedy =
      status === 407
        ? "give the proxy's user and password in its URL"
        : "let the proxy connect to the host's port, or take the proxy out of the cluster";
    throw new PlatformError(
      "UNAVAILABLE",
      `the proxy ${proxy.address} refuses to connect to ${target}: ${status} ${reason}`,
      {
        details: { stage: "proxy", target, status },
        remedy,
      },
    );
  }
  if (rest.length > 0) carrier.unshift(rest);
  return carrier;
}

function secured(socket: Socket, servername: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, servername }, () => resolve(tls));
    tls.once("error", reject);
  });
}

function answer(socket: Socket): Promise<{ readonly status: number; readonly reason: string; readonly rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const finish = (): void => {
      socket.off("data", onData);
      socket.off("error", onError);
      socket.off("close", onClose);
      socket.pause();
    };
    const fail = (error: Error): void => {
      finish();
      reject(error);
    };
    const onError = (error: Error): void => fail(error);
    const onClose = (): void =>
      fail(new PlatformError("UNAVAILABLE", "the proxy closed the connection without an answer"));
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.length <= headMax) return;
      const [, status = "", reason = ""] = /^HTTP\/1\.[01] (\d{3}) ?([^\r\n]*)/.exec(head.toString("latin1")) ?? [];
      if (end < 0 || status === "") {
        fail(new PlatformError("UNAVAILABLE", "the proxy does not answer as an HTTP proxy"));
        return;
      }
      finish();
      resolve({ status: Number(status), reason, rest: head.subarray(end + 4) });
    };
    socket.on("data", onData);
    socket.on("error", onError);
    socket.on("close", onClose);
  });
}
