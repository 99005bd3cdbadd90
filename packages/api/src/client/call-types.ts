/** The shape of a service as a client sees it: promises and async iterables, typed by the generated descriptor. */
import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

export interface CallOptions {
  /** Milliseconds until the call gives up. Unary calls default to the connection's `timeoutMs`; streams have none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

type Init<M> = M extends DescMessage ? MessageInitShape<M> : never;
type Shape<M> = M extends DescMessage ? MessageShape<M> : never;

export type MethodClient<M> = M extends { methodKind: infer K; input: infer I; output: infer O }
  ? K extends "unary"
    ? (request: Init<I>, options?: CallOptions) => Promise<Shape<O>>
    : K extends "server_streaming"
      ? (request: Init<I>, options?: CallOptions) => AsyncIterable<Shape<O>>
      : K extends "client_streaming"
        ? (requests: AsyncIterable<Init<I>>, options?: CallOptions) => Promise<Shape<O>>
        : K extends "bidi_streaming"
          ? (requests: AsyncIterable<Init<I>>, options?: CallOptions) => AsyncIterable<Shape<O>>
          : never
  : never;

/** Every method throws a `PlatformError` whose code tells the class of failure. */
export type ServiceClient<S extends DescService> = {
  readonly [K in keyof S["method"]]: MethodClient<S["method"][K]>;
};
