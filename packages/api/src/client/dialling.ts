/**
 * Dialling with our own hands, so that a failure has a name: probe, proxy, TLS, first answer, each with one deadline.
 *
 * grpc-js asks these credentials whenever it connects: first whether it may (there we probe the port, for it would wait minutes for a host that is off),
 * then to make a secure socket out of a plain one. Whatever goes wrong is told to `onFailure` before grpc-js turns it into a text.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import { type DialStage, dialFailure } from "./dial-failure.ts";
import { openTunnel, type ProxyAddress } from "./proxy-tunnel.ts";

export interface DialTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

export interface Dialling {
  /** `host:port` of the host itself, IPv6 in brackets. */
  readonly target: string;
  readonly tls: DialTls | undefined;
  readonly proxy: ProxyAddress | undefined;
  /** For each stage, milliseconds. */
  readonly timeoutMs: number;
  readonly onFailure: (error: PlatformError) => void;
}

/** Throws CONFIG_INVALID when certificates or keys cannot be read. */
export class DiallingCredentials extends ChannelCredentials {
  readonly #dialling: Dialling;
  readonly #secureContext: SecureContext | undefined;

  constructor(dialling: Dialling) {
    super();
    this.#dialling = dialling;
    this.#secureContext = dialling.tls === undefined ? undefined : secureContext(dialling.tls);
  }

  override _isSecure(): boolean {
    return this.#dialling.tls !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    _target: experimental.GrpcUri,
    options: { readonly "grpc.http_connect_target"?: unknown },
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): experimental.SecureConnector {
    const dialling = this.#dialling;
    const secure = this.#secureContext;
    // With a proxy of the environment grpc-js makes the tunnel, and the target itself may be out of reach.
    const probed = options["grpc.http_connect_target"] === undefined;
    return {
      waitForReady: () => (probed ? staged(dialling, "connect", () => probe(dialling)) : Promise.resolve()),
      connect: async (plain) => {
        const { proxy, target } = dialling;
        const tunnel =
          proxy === undefined ? plain : await staged(dialling, "proxy", () => openTunnel(plain, proxy, target), plain);
        const socket =
          secure === undefined
            ? tunnel
            : await staged(dialling, "tls", () => handshake(tunnel, secure, dialling), tunnel);
        expectAnswer(socket, dialling);
        return { socket, secure: secure !== undefined };
      },
      getCallCredentials: () => callCredentials,
      destroy: () => undefined,
    };
  }
}

export function splitTarget(target: string): { readonly host: string; readonly port: number } {
  const colon = target.lastIndexOf(":");
  return { host: target.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(target.slice(colon + 1)) };
}

function secureContext({ ca, cert, key }: DialTls): SecureContext {
  try {
    const trusted = ca === undefined ? {} : { ca };
    const own = cert === undefined || key === undefined ? {} : { cert, key };
    return createSecureContext({ minVersion: "TLSv1.2", ...trusted, ...own });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new PlatformError("CONFIG_INVALID", `the certificates or the key cannot be read: ${text}`, { cause: error });
  }
}

/** Runs one stage under its deadline; a failure is named, told and thrown, and the socket is let go of. */
async function staged<T>(dialling: Dialling, stage: DialStage, work: () => Promise<T>, socket?: Socket): Promise<T> {
  const { timeoutMs, target, proxy, onFailure } = dialling;
  const whom = stage === "connect" && proxy !== undefined ? `the proxy ${proxy.address}` : target;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new PlatformError("UNAVAILABLE", `${whom}: ${silence(stage, timeoutMs)}`)),
    timeoutMs,
  );
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    socket?.destroy();
    const failure = dialFailure(stage, whom, error);
    onFailure(failure);
    throw failure;
  } finally {
    clearTimeout(timer);
  }
}

function silence(stage: DialStage, timeoutMs: number): string {
  const seconds = timeoutMs / 1_000;
  switch (stage) {
    case "connect":
      return `no answer to a connection within ${seconds} s; is it switched on, and is the port open?`;
    case "proxy":
      return `the proxy said nothing within ${seconds} s`;
    case "tls":
      return `the TLS handshake was not done within ${seconds} s`;
    case "handshake":
      return `it takes connections and says nothing within ${seconds} s`;
    default:
      return stage satisfies never;
  }
}

function probe({ target, proxy }: Dialling): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ ...splitTarget(proxy?.address ?? target), autoSelectFamily: true }, () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

function handshake(socket: Socket, context: SecureContext, { target, tls }: Dialling): Promise<Socket> {
  const name = tls?.serverName ?? splitTarget(target).host;
  return new Promise((resolve, reject) => {
    // An address is no server name on the wire; it is still what the certificate must be for.
    const names = isIP(name) === 0 ? { servername: name } : { servername: "" };
    const secured = connectTls({ socket, host: name, ...names, secureContext: context, ALPNProtocols: ["h2"] }, () =>
      resolve(secured),
    );
    secured.once("error", reject);
  });
}

/** SETTINGS, HTTP/2's first word, have at least this many bytes; the alert of a TLS server to a plain-text client has seven. */
const settingsBytesMin = 9;

/**
 * A host that took the connection must say something. That a client certificate is refused shows only here: with TLS 1.3 the client is done before the
 * server has looked at it.
 */
function expectAnswer(socket: Socket, dialling: Dialling): void {
  const { target, timeoutMs, tls, onFailure } = dialling;
  const before = socket.bytesRead;
  let told = false;
  const tell = (failure: PlatformError): void => {
    if (!told) onFailure(failure);
    told = true;
  };
  const say = (text: string): void => tell(new PlatformError("UNAVAILABLE", `${target}: ${text}`));
  const timer = setTimeout(() => {
    if (socket.bytesRead > before) return;
    say(silence("handshake", timeoutMs));
    socket.destroy();
  }, timeoutMs);
  timer.unref();
  socket.once("error", (error) => tell(dialFailure(tls === undefined ? "handshake" : "tls", target, error)));
  socket.once("close", () => {
    clearTimeout(timer);
    // The end of a connection that worked is seen by its calls.
    if (socket.bytesRead - before >= settingsBytesMin) return;
    if (tls === undefined) say("it ended the connection before saying a word of HTTP/2; does it want TLS?");
    else if (tls.cert === undefined)
      say("it ended the connection after the TLS handshake; does it want a client certificate?");
    else say("it ended the connection after the TLS handshake; does it refuse our client certificate?");
  });
}
