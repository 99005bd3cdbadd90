/** A typed client of any generated service over one grpc-js channel. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  isMessage,
  type Message,
} from "@bufbuild/protobuf";
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import { errorCodeKey, errorFromWire, errorRemedyKey } from "../error-status.ts";
import { deserializer, methodPath, serializer } from "../grpc/service-definition.ts";
import type { CallOptions, ServiceClient } from "./call-types.ts";

export interface ChannelDefaults {
  /** Of unary and client-streaming calls, milliseconds. */
  readonly timeoutMs: number;
  /** Value of the `authorization` metadata, if any. */
  readonly authorization?: string;
  /** Aborted when the connection is closed: ends open streams. */
  readonly closed: AbortSignal;
}

interface Cancellable {
  cancel(): void;
}

export function serviceClient<S extends DescService>(
  client: Client,
  service: S,
  defaults: ChannelDefaults,
): ServiceClient<S>;
export function serviceClient(client: Client, service: DescService, defaults: ChannelDefaults): unknown {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, methodClient(new Calls(client, method, defaults))]),
  );
}

function methodClient(calls: Calls): unknown {
  switch (calls.method.methodKind) {
    case "unary":
      return (request: object, options?: CallOptions) => calls.unary(request, options);
    case "server_streaming":
      return (request: object, options?: CallOptions) => calls.serverStream(request, options);
    case "client_streaming":
      return (requests: AsyncIterable<object>, options?: CallOptions) => calls.clientStream(requests, options);
    case "bidi_streaming":
      return (requests: AsyncIterable<object>, options?: CallOptions) => calls.bidirectional(requests, options);
    default:
      return calls.method.methodKind satisfies never;
  }
}

class Calls {
  readonly method: DescMethod;
  readonly #client: Client;
  readonly #defaults: ChannelDefaults;
  readonly #path: string;
  readonly #serialize: (message: Message) => Buffer;
  readonly #deserialize: (bytes: Buffer) => Message;

  constructor(client: Client, method: DescMethod, defaults: ChannelDefaults) {
    this.method = method;
    this.#client = client;
    this.#defaults = defaults;
    this.#path = methodPath(method);
    this.#serialize = serializer(method.input);
    this.#deserialize = deserializer(method.output);
  }

  unary(request: object, options: CallOptions = {}): Promise<Message> {
    return new Promise((resolve, reject) => {
      refuseAborted(options.signal);
      const { release, watch } = cancellation(options.signal);
      const call = this.#client.makeUnaryRequest(
        this.#path,
        this.#serialize,
        this.#deserialize,
        asMessage(this.method.input, request),
        this.#metadata(),
        this.#grpcOptions(options.timeoutMs ?? this.#defaults.timeoutMs),
        (error, response) => {
          release();
          if (response !== undefined) resolve(response);
          else reject(platformError(error, options.signal));
        },
      );
      watch(call);
    });
  }

  clientStream(requests: AsyncIterable<object>, options: CallOptions = {}): Promise<Message> {
    return new Promise((resolve, reject) => {
      refuseAborted(options.signal);
      const { release, watch } = cancellation(options.signal);
      const call = this.#client.makeClientStreamRequest(
        this.#path,
        this.#serialize,
        this.#deserialize,
        this.#metadata(),
        this.#grpcOptions(options.timeoutMs),
        (error, response) => {
          release();
          if (response !== undefined) resolve(response);
          else reject(platformError(error, options.signal));
        },
      );
      watch(call);
      send(call, this.method.input, requests).catch((error: unknown) => {
        call.cancel();
        reject(error);
      });
    });
  }

  async *serverStream(request: object, options: CallOptions = {}): AsyncGenerator<Message> {
    refuseAborted(options.signal);
    const call = this.#client.makeServerStreamRequest(
      this.#path,
      this.#serialize,
      this.#deserialize,
      asMessage(this.method.input, request),
      this.#metadata(),
      this.#grpcOptions(options.timeoutMs),
    );
    yield* receive(call, this.#defaults.closed, options.signal);
  }

  async *bidirectional(requests: AsyncIterable<object>, options: CallOptions = {}): AsyncGenerator<Message> {
    refuseAborted(options.signal);
    const call = this.#client.makeBidiStreamRequest(
      this.#path,
      this.#serialize,
      this.#deserialize,
      this.#metadata(),
      this.#grpcOptions(options.timeoutMs),
    );
    let failure: unknown;
    const sending = send(call, this.method.input, requests).catch((error: unknown) => {
      failure = error;
      call.cancel();
    });
    try {
      yield* receive(call, this.#defaults.closed, options.signal);
    } catch (error) {
      throw failure ?? error;
    }
    void sending;
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#defaults.authorization !== undefined) metadata.set("authorization", this.#defaults.authorization);
    return metadata;
  }

  #grpcOptions(timeoutMs: number | undefined): GrpcCallOptions {
    return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  }
}

async function* receive(
  call: ClientReadableStream<Message> | ClientDuplexStream<Message, Message>,
  closed: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncGenerator<Message> {
  const { release, watch } = cancellation(signal, closed);
  watch(call);
  // Cancelling ends the stream with an error event; nobody may be iterating any more.
  call.on("error", () => undefined);
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message;
  } catch (error) {
    throw platformError(error, signal);
  } finally {
    release();
    call.cancel();
  }
}

async function send(
  call: ClientWritableStream<Message> | ClientDuplexStream<Message, Message>,
  schema: DescMessage,
  requests: AsyncIterable<object>,
): Promise<void> {
  let closed = false;
  call.on("status", () => {
    closed = true;
    call.emit("drain");
  });
  for await (const request of requests) {
    if (closed) return;
    if (!call.write(asMessage(schema, request))) await new Promise<void>((resolve) => call.once("drain", resolve));
  }
  call.end();
}

function cancellation(...signals: readonly (AbortSignal | undefined)[]): {
  release(): void;
  watch(call: Cancellable): void;
} {
  let abort: (() => void) | undefined;
  return {
    watch: (call) => {
      abort = () => call.cancel();
      for (const signal of signals) signal?.addEventListener("abort", abort, { once: true });
    },
    release: () => {
      if (abort === undefined) return;
      for (const signal of signals) signal?.removeEventListener("abort", abort);
    },
  };
}

function asMessage(schema: DescMessage, init: object): Message {
  return isMessage(init, schema) ? init : create(schema, { ...init });
}

function platformError(error: unknown, signal: AbortSignal | undefined): PlatformError {
  if (error instanceof PlatformError) return error;
  if (isServiceError(error)) {
    if (signal?.aborted) return reasonOf(signal);
    const code = error.metadata?.get(errorCodeKey)[0];
    const remedy = error.metadata?.get(errorRemedyKey)[0];
    return errorFromWire(
      error.code,
      error.details,
      typeof code === "string" ? code : undefined,
      remedy === undefined ? undefined : remedy.toString(),
    );
  }
  return PlatformError.from(error, "UNAVAILABLE");
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** The caller's own reason; `AbortSignal.timeout` is a deadline. */
function reasonOf({ reason }: AbortSignal): PlatformError {
  const isTimeout = reason instanceof Error && reason.name === "TimeoutError";
  return PlatformError.from(reason, isTimeout ? "DEADLINE_EXCEEDED" : "CANCELLED");
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}
