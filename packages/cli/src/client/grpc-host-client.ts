/** The host client over gRPC. */
import { LogsRequest_Source } from "@liquidmetal/api";
import { type ConnectOptions, connect } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostAddress } from "./host-address.ts";
import type { CallOptions, HostClient, Verb } from "./host-client.ts";
import type { MicroVm } from "./messages.ts";

/** Messages of an import, in bytes: well below any limit on messages. */
const importChunkBytes = 1_048_576;

export function grpcHostClient(address: HostAddress, token: string | undefined): HostClient {
  const options: ConnectOptions = {
    address: address.target,
    ...(token === undefined ? {} : { token }),
    ...(address.tls === undefined ? {} : { tls: address.tls }),
  };
  const { microVms, host, images, close } = connect(options);
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    work().catch((error: unknown) => Promise.reject(explain(error, address)));
  const stream = <T>(source: AsyncIterable<T>): AsyncIterable<T> => explained(source, address);
  return {
    address: address.display,
    local: address.local,
    create: (microvm, to) => call(async () => present((await microVms.createMicroVM({ microvm }, to)).microvm)),
    get: (uid, to) => call(async () => present((await microVms.getMicroVM({ uid }, to)).microvm)),
    list: (filter, to) => call(async () => (await microVms.listMicroVMs(filter, to)).microvm),
    delete: (uid, to) =>
      call(async () => {
        await microVms.deleteMicroVM({ uid }, to);
      }),
    act: (verb, uid, to) => call(async () => present((await act(host, verb, uid, to)).microvm)),
    watch: (filter, to) => stream(host.watch(filter, to)),
    events: (filter, to) => call(async () => (await host.listEvents(filter, to)).events),
    console: (uid, input, to) => stream(host.console(consoleRequests(uid, input), to)),
    logs: ({ uid, vmm, follow, tailLines }, to) => {
      const source = vmm ? LogsRequest_Source.VMM : LogsRequest_Source.CONSOLE;
      return stream(host.logs({ uid, source, follow, tailLines }, to));
    },
    host: (to) => call(() => host.getHost({}, to)),
    serverVersion: (to) => call(async () => (await microVms.serverInfo({}, to)).version),
    images: (to) => call(async () => (await images.listImages({}, to)).images),
    inspectImage: (reference, to) => call(() => images.inspectImage({ reference }, to)),
    pullImage: (reference, to) => stream(images.pullImage({ reference }, to)),
    importImage: (archive, to) =>
      call(async () => (await images.importImage(importRequests(archive, to.reference), to)).images),
    removeImage: (reference, to) =>
      call(async () => {
        await images.removeImage({ reference }, to);
      }),
    close,
  };
}

function act(
  host: ReturnType<typeof connect>["host"],
  verb: Verb,
  uid: string,
  to: CallOptions & { readonly force?: boolean },
): Promise<{ readonly microvm?: MicroVm | undefined }> {
  const force = to.force ?? false;
  switch (verb) {
    case "start":
      return host.startMicroVM({ uid }, to);
    case "stop":
      return host.stopMicroVM({ uid, force }, to);
    case "reboot":
      return host.rebootMicroVM({ uid, force }, to);
    case "pause":
      return host.pauseMicroVM({ uid }, to);
    case "resume":
      return host.resumeMicroVM({ uid }, to);
    default:
      return verb satisfies never;
  }
}

async function* consoleRequests(
  uid: string,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ uid?: string; data?: Uint8Array }> {
  yield { uid };
  for await (const data of input) yield { data };
}

async function* importRequests(
  archive: AsyncIterable<Uint8Array>,
  reference: string | undefined,
): AsyncGenerator<{ reference?: string; data?: Uint8Array }> {
  yield reference === undefined ? {} : { reference };
  for await (const bytes of archive) {
    for (let offset = 0; offset < bytes.length; offset += importChunkBytes) {
      yield { data: bytes.subarray(offset, offset + importChunkBytes) };
    }
  }
}

async function* explained<T>(source: AsyncIterable<T>, address: HostAddress): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw explain(error, address);
  }
}

/** A transport's failure says little to people: it becomes "this host cannot be reached", with what to do about it. */
function explain(error: unknown, address: HostAddress): unknown {
  if (!(error instanceof PlatformError)) return error;
  if (error.code === "UNAVAILABLE" && transportFailure.test(error.message)) {
    const reason = reasonOf(error.message);
    return new PlatformError("UNAVAILABLE", `the host at ${address.display} cannot be reached`, {
      cause: new Error(reason),
      remedy: remedyFor(reason, address),
    });
  }
  if (error.code === "UNAUTHENTICATED") {
    return new PlatformError("UNAUTHENTICATED", `the host at ${address.display} does not let us in`, {
      cause: new Error(error.message),
      remedy: "give its access token with --token-file or LM_TOKEN, or keep one in a context ('lm context set')",
    });
  }
  if (error.code === "CAPABILITY_MISSING" && error.details["grpcStatus"] === 12) {
    return new PlatformError("CAPABILITY_MISSING", "this host does not offer that call", {
      cause: error,
      remedy: "it is another flintlock server or an older version; see 'lm version'",
    });
  }
  return error;
}

const transportFailure =
  /No connection established|Failed to connect|ECONN|ENOENT|EACCES|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPROTO|Name resolution|certificate|altnames/i;

function remedyFor(reason: string, address: HostAddress): string {
  if (/EACCES/.test(reason)) return "run this as root";
  if (/has expired|not yet valid/i.test(reason))
    return "renew the certificate of the host, and see that both clocks are right";
  if (/altnames|does not match/i.test(reason)) return "write the host as its certificate names it";
  if (/certificate/i.test(reason)) return "name the authority that signed the host's certificate with --tls-ca";
  if (address.tls === undefined && /Failed to connect/.test(reason)) {
    return `${address.remedy}; where it speaks TLS, write grpcs://${address.display}`;
  }
  return address.remedy;
}

/** grpc-js wraps the socket's own words in its own: `No connection established. Last error: Error: connect ENOENT /x. Resolution note: `. */
function reasonOf(message: string): string {
  return (
    /Last error: (?:Error: )?(.*?)\.?\s*(?:Resolution note:\s*)?$/s
      .exec(message)?.[1]
      // Two remarks of Node's and gRPC's own that help nobody here.
      ?.replace(/; if the root CA is installed locally.*$/s, "")
      .replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)$/, "") ?? message
  );
}

function present(microvm: MicroVm | undefined): MicroVm {
  if (microvm === undefined) throw new PlatformError("INTERNAL", "the host's answer holds no microVM");
  return microvm;
}
