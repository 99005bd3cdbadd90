/**
 * Binds handlers to a grpc-js server.
 *
 * - A `PlatformError` becomes its status, with the catalogue's code and remedy in trailing metadata. Anything else is a defect: it is reported to
 *   `onDefect`, and the client sees INTERNAL without a word of it.
 * - Streams have backpressure in both directions: nothing is read from a handler that the client has not made room for.
 * - Every call has a signal; it is aborted when the client goes away or its deadline passes, for streams of answers also when `stopping` is aborted
 *   (calls with one answer may still finish).
 */
import type { EventEmitter } from "node:events";
import { type DescMethod, type DescService, isMessage, type Message } from "@bufbuild/protobuf";
import {
  Metadata,
  type Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import { errorCodeKey, errorRemedyKey, errorText, grpcStatus, grpcStatusOf } from "../error-status.ts";
import type { CallContext, ServiceHandlers } from "./handlers.ts";
import { methodPath, serviceDefinition } from "./service-definition.ts";

export interface BindOptions {
  /** Aborted when the server stops; its reason is what open streams end with. */
  readonly stopping: AbortSignal;
  readonly onDefect: (method: string, error: unknown) => void;
  /** Called once for each call that ended: status is gRPC's number. */
  readonly onCall?: (call: { readonly method: string; readonly status: number; readonly durationMs: number }) => void;
}

export interface CallStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What all four kinds of call have in common. */
type AnyCall = EventEmitter & { getPeer(): string };
type Writing = ServerWritableStream<Message, Message> | ServerDuplexStream<Message, Message>;
type Reading = ServerReadableStream<Message, Message> | ServerDuplexStream<Message, Message>;

/** The erased form of any handler; `ServiceHandlers` is what keeps callers honest. */
type Erased = (request: unknown, context: CallContext) => unknown;

export function bindService<S extends DescService>(
  server: Server,
  service: S,
  handlers: ServiceHandlers<S>,
  options: BindOptions,
): void {
  const implementation: UntypedServiceImplementation = {};
  const byName: Readonly<Record<string, unknown>> = handlers;
  for (const method of service.methods) {
    const handler = byName[method.localName];
    if (!isHandler(handler)) throw new TypeError(`no handler for ${methodPath(method)}`);
    implementation[method.localName] = bindMethod(method, handler.bind(handlers), options);
  }
  server.addService(serviceDefinition(service), implementation);
}

function isHandler(value: unknown): value is Erased {
  return typeof value === "function";
}

function bindMethod(method: DescMethod, handler: Erased, options: BindOptions): UntypedServiceImplementation[string] {
  const path = methodPath(method);
  switch (method.methodKind) {
    case "unary":
      return (call: ServerUnaryCall<Message, Message>, respond: sendUnaryData<Message>) => {
        answer(path, call, respond, options, (context) => handler(call.request, context));
      };
    case "client_streaming":
      return (call: ServerReadableStream<Message, Message>, respond: sendUnaryData<Message>) => {
        answer(path, call, respond, options, (context) => handler(requestsOf(call, context.signal), context));
      };
    case "server_streaming":
      return (call: ServerWritableStream<Message, Message>) => {
        void stream(path, call, options, (context) => handler(call.request, context));
      };
    case "bidi_streaming":
      return (call: ServerDuplexStream<Message, Message>) => {
        void stream(path, call, options, (context) => handler(requestsOf(call, context.signal), context));
      };
    default:
      return method.methodKind satisfies never;
  }
}

function answer(
  path: string,
  call: AnyCall,
  respond: sendUnaryData<Message>,
  options: BindOptions,
  work: (context: CallContext) => unknown,
): void {
  const open = openCall(path, call, options, false);
  const run = async (): Promise<void> => {
    try {
      const response = await open.race(Promise.resolve(work(open.context)));
      open.close(grpcStatus.OK);
      respond(null, asMessage(response));
    } catch (error) {
      const status = statusOf(error, path, options);
      open.close(status.code);
      respond(status);
    }
  };
  void run();
}

async function stream(
  path: string,
  call: Writing,
  options: BindOptions,
  work: (context: CallContext) => unknown,
): Promise<void> {
  const open = openCall(path, call, options, true);
  let iterator: AsyncIterator<unknown> | undefined;
  try {
    iterator = asIterable(work(open.context))[Symbol.asyncIterator]();
    for (;;) {
      const next = await open.race(iterator.next());
      if (next.done === true) break;
      if (!call.write(asMessage(next.value))) await open.race(drained(call));
    }
    open.close(grpcStatus.OK);
    call.end();
  } catch (error) {
    const status = statusOf(error, path, options);
    open.close(status.code);
    // A generator that still waits gets its turn to clean up when its signal wakes it; nobody waits for that here.
    iterator?.return?.()?.then(undefined, () => undefined);
    call.emit("error", status);
  }
}

function drained(call: Writing): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("close", done);
      resolve();
    };
    call.on("drain", done);
    call.on("close", done);
  });
}

interface OpenCall {
  readonly context: CallContext;
  /** The work, or the reason for which the call ended before. */
  race<T>(work: Promise<T>): Promise<T>;
  close(status: number): void;
}

function openCall(method: string, call: AnyCall, options: BindOptions, endsAtStop: boolean): OpenCall {
  const controller = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  ended.catch(() => undefined);
  const startedAt = performance.now();
  const end = (reason: unknown): void => {
    reject(reason);
    controller.abort(reason);
  };
  const cancelled = (): void => end(new PlatformError("CANCELLED", "the client went away or its deadline passed"));
  const stop = (): void => end(options.stopping.reason);
  call.on("cancelled", cancelled);
  if (endsAtStop && options.stopping.aborted) stop();
  else if (endsAtStop) options.stopping.addEventListener("abort", stop, { once: true });
  return {
    context: { method, signal: controller.signal, peer: call.getPeer() },
    race: (work) => Promise.race([work, ended]),
    close: (status) => {
      options.stopping.removeEventListener("abort", stop);
      call.off("cancelled", cancelled);
      // Whatever still works on behalf of this call may stop now.
      controller.abort(new PlatformError("CANCELLED", "the call has ended"));
      options.onCall?.({ method, status, durationMs: performance.now() - startedAt });
    },
  };
}

/** The client's messages. Leaving the loop early does not tear the call down, so that it can still be answered. */
async function* requestsOf(call: Reading, signal: AbortSignal): AsyncGenerator<Message> {
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield asMessage(message);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

export function statusOf(error: unknown, method: string, options: Pick<BindOptions, "onDefect">): CallStatus {
  const known = error instanceof PlatformError;
  if (!known) options.onDefect(method, error);
  const shown = known ? error : new PlatformError("INTERNAL", "internal error");
  const metadata = new Metadata();
  metadata.set(errorCodeKey, shown.code);
  metadata.set(errorRemedyKey, Buffer.from(shown.remedy));
  return { code: grpcStatus[grpcStatusOf(shown.code)], details: errorText(shown), metadata };
}

function asMessage(value: unknown): Message {
  if (isMessage(value)) return value;
  throw new TypeError("a handler answered with something that is no message");
}

function asIterable(value: unknown): AsyncIterable<unknown> {
  if (isAsyncIterable(value)) return value;
  throw new TypeError("a handler answered with something that is no stream");
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
