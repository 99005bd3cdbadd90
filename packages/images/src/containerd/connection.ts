/**
 * One gRPC channel to containerd's Unix socket.
 *
 * Every call names containerd's namespace, carries a deadline, and may name the lease that is to hold what it makes. When containerd is gone, calls
 * fail at once with CONTAINERD_UNAVAILABLE; the channel reconnects by itself within about a second of its return.
 */
import type {
  DescMethodStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import { containerdFailure } from "./failure.ts";

export interface ConnectionOptions {
  /** Path of containerd's socket. */
  readonly address: string;
  /** containerd namespace in which all our things live. Default `flintlock`, as upstream. */
  readonly namespace?: string;
  /** Deadline of a call that names none, in milliseconds. Default 15,000. */
  readonly callTimeoutMs?: number;
}

export interface ContainerdCallOptions {
  /** Lease that holds what the call makes. */
  readonly lease?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface DuplexCall<I, O> {
  /** Sends one request and resolves with the next response. */
  exchange(request: I): Promise<O>;
  /** Ends our side; nothing is awaited. */
  end(): void;
}

type Unary<I extends DescMessage, O extends DescMessage> = DescMethodUnary<I, O>;
type Streaming<I extends DescMessage, O extends DescMessage> = DescMethodStreaming<I, O>;

const maxMessageBytes = 64 * 1024 * 1024;

export class ContainerdConnection {
  readonly address: string;
  readonly namespace: string;
  readonly #client: grpc.Client;
  readonly #callTimeoutMs: number;

  constructor(options: ConnectionOptions) {
    this.address = options.address;
    this.namespace = options.namespace ?? "flintlock";
    this.#callTimeoutMs = options.callTimeoutMs ?? 15_000;
    this.#client = new grpc.Client(`unix:${options.address}`, grpc.credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": maxMessageBytes,
      "grpc.default_authority": "localhost",
    });
  }

  close(): void {
    this.#client.close();
  }

  /** One request, one response. Rejects with a `ContainerdFailure`, CONTAINERD_UNAVAILABLE or CANCELLED. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: Unary<I, O>,
    request: MessageInitShape<I>,
    options: ContainerdCallOptions = {},
  ): Promise<MessageShape<O>> {
    options.signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    const call = this.#client.makeUnaryRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      this.#metadata(options),
      this.#deadline(options),
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined)
          reject(new PlatformError("CONTAINERD_UNAVAILABLE", "containerd sent no answer"));
        else resolve(response);
      },
    );
    return await this.#settle(method, promise, call, options);
  }

  /** One request, a stream of responses. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: Streaming<I, O>,
    request: MessageInitShape<I>,
    options: ContainerdCallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    options.signal?.throwIfAborted();
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      this.#metadata(options),
      this.#deadline(options),
    );
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of call) yield message as MessageShape<O>;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw containerdFailure(error, method.name, this.address);
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  /** A stream in both directions, used in lock step. Calls `work`; whatever happens, the call is over when this resolves. */
  async duplex<I extends DescMessage, O extends DescMessage, T>(
    method: Streaming<I, O>,
    options: ContainerdCallOptions,
    work: (call: DuplexCall<MessageInitShape<I>, MessageShape<O>>) => Promise<T>,
  ): Promise<T> {
    options.signal?.throwIfAborted();
    const call = this.#client.makeBidiStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      this.#metadata(options),
      this.#deadline({ ...options, timeoutMs: options.timeoutMs ?? 24 * 3_600_000 }),
    );
    const responses = new ResponseQueue<MessageShape<O>>();
    call.on("data", (message: MessageShape<O>) => responses.push(message));
    call.on("error", (error) => responses.fail(error));
    call.on("end", () =>
      responses.fail(new PlatformError("CONTAINERD_UNAVAILABLE", `containerd ended ${method.name} early`)),
    );
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    const idleMs = this.#callTimeoutMs * 4;
    try {
      return await work({
        exchange: (request) => {
          call.write(create(method.input, request));
          return responses.next(idleMs);
        },
        end: () => call.end(),
      });
    } catch (error) {
      call.cancel();
      options.signal?.throwIfAborted();
      throw containerdFailure(error, method.name, this.address);
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      call.end();
    }
  }

  async #settle<T>(
    method: { readonly name: string },
    promise: Promise<T>,
    call: { cancel(): void },
    options: ContainerdCallOptions,
  ): Promise<T> {
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await promise;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw containerdFailure(error, method.name, this.address);
    } finally {
      options.signal?.removeEventListener("abort", cancel);
    }
  }

  #metadata(options: ContainerdCallOptions): grpc.Metadata {
    const metadata = new grpc.Metadata();
    metadata.set("containerd-namespace", this.namespace);
    if (options.lease !== undefined) metadata.set("containerd-lease", options.lease);
    return metadata;
  }

  #deadline(options: ContainerdCallOptions): grpc.CallOptions {
    return { deadline: new Date(Date.now() + (options.timeoutMs ?? this.#callTimeoutMs)) };
  }
}

/** Responses of a stream that is read one at a time. A wait ends at its deadline. */
class ResponseQueue<T> {
  readonly #ready: T[] = [];
  #failure: unknown;
  #waiter: { resolve: (value: T) => void; reject: (reason: unknown) => void } | undefined;

  push(value: T): void {
    if (this.#waiter === undefined) this.#ready.push(value);
    else this.#waiter.resolve(value);
    this.#waiter = undefined;
  }

  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#waiter?.reject(this.#failure);
    this.#waiter = undefined;
  }

  next(timeoutMs: number): Promise<T> {
    const value = this.#ready.shift();
    if (value !== undefined) return Promise.resolve(value);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiter = undefined;
        reject(
          new PlatformError("CONTAINERD_UNAVAILABLE", `containerd did not answer on a stream within ${timeoutMs} ms`),
        );
      }, timeoutMs);
      const settle =
        <A>(act: (argument: A) => void) =>
        (argument: A): void => {
          clearTimeout(timer);
          act(argument);
        };
      this.#waiter = { resolve: settle(resolve), reject: settle(reject) };
    });
  }
}

function pathOf(method: { readonly name: string; readonly parent: DescService }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function serializer<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => Buffer.from(toBinary(schema, message));
}

function deserializer<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}
