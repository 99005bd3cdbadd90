/** The shape of a service's implementation: promises and async iterables, typed by the generated descriptor. */
import type { DescMessage, DescService, MessageShape } from "@bufbuild/protobuf";

/** What a handler knows of its call. */
export interface CallContext {
  /** Full path, `/package.Service/Method`. */
  readonly method: string;
  /** Aborted when the client goes away, its deadline passes or the server stops. */
  readonly signal: AbortSignal;
  /** Address of the client, as far as it is known. */
  readonly peer: string;
}

type Shape<M> = M extends DescMessage ? MessageShape<M> : never;

export type MethodHandler<M> = M extends { methodKind: infer K; input: infer I; output: infer O }
  ? K extends "unary"
    ? (request: Shape<I>, context: CallContext) => Promise<Shape<O>>
    : K extends "server_streaming"
      ? (request: Shape<I>, context: CallContext) => AsyncIterable<Shape<O>>
      : K extends "client_streaming"
        ? (requests: AsyncIterable<Shape<I>>, context: CallContext) => Promise<Shape<O>>
        : K extends "bidi_streaming"
          ? (requests: AsyncIterable<Shape<I>>, context: CallContext) => AsyncIterable<Shape<O>>
          : never
  : never;

/** One handler for each method, by its lowerCamelCase name. Handlers throw `PlatformError` for what is expected to fail. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: MethodHandler<S["method"][K]>;
};
