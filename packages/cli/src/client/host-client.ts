/**
 * What the command line needs of a host: flintlock's calls and our additive ones, as promises and async iterables.
 *
 * Every call throws a PlatformError whose code tells the class of failure; every call ends at its deadline (streams: with their signal).
 */
import type {
  ConsoleResponse,
  Event,
  GetHostResponse,
  Image,
  LogsResponse,
  MicroVm,
  PullImageResponse,
  Spec,
  WatchResponse,
} from "./messages.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Milliseconds. Default 30,000; streams have none. */
  readonly timeoutMs?: number;
}

export type Verb = "start" | "stop" | "reboot" | "pause" | "resume";

export interface HostClient {
  /** How the host is addressed, for people. */
  readonly address: string;
  /** True when it is reached through a Unix socket of this machine. */
  readonly local: boolean;
  create(spec: Spec, options: CallOptions): Promise<MicroVm>;
  get(uid: string, options: CallOptions): Promise<MicroVm>;
  /** Empty namespace = all. */
  list(
    filter: { readonly namespace: string; readonly name?: string },
    options: CallOptions,
  ): Promise<readonly MicroVm[]>;
  delete(uid: string, options: CallOptions): Promise<void>;
  act(verb: Verb, uid: string, options: CallOptions & { readonly force?: boolean }): Promise<MicroVm>;
  watch(
    filter: {
      readonly namespace?: string;
      readonly uid?: string;
      readonly snapshot?: boolean;
      readonly afterPosition?: bigint;
    },
    options: CallOptions,
  ): AsyncIterable<WatchResponse>;
  events(
    filter: { readonly uid?: string; readonly afterPosition?: bigint; readonly limit?: number },
    options: CallOptions,
  ): Promise<readonly Event[]>;
  console(uid: string, input: AsyncIterable<Uint8Array>, options: CallOptions): AsyncIterable<ConsoleResponse>;
  logs(
    request: { readonly uid: string; readonly vmm: boolean; readonly follow: boolean; readonly tailLines: number },
    options: CallOptions,
  ): AsyncIterable<LogsResponse>;
  host(options: CallOptions): Promise<GetHostResponse>;
  /** Version of the server, from flintlock's ServerInfo. */
  serverVersion(options: CallOptions): Promise<string>;
  images(options: CallOptions): Promise<readonly Image[]>;
  inspectImage(reference: string, options: CallOptions): Promise<Image>;
  pullImage(reference: string, options: CallOptions): AsyncIterable<PullImageResponse>;
  importImage(
    archive: AsyncIterable<Uint8Array>,
    options: CallOptions & { readonly reference?: string },
  ): Promise<readonly Image[]>;
  removeImage(reference: string, options: CallOptions): Promise<void>;
  close(): void;
}
