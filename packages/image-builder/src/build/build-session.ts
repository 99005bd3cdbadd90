/** One call of the builder: where it finds and keeps things, what it knows already, whom it tells, and how it ends. */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { cacheFolders } from "../cache/cache-folders.ts";
import { EntryStore } from "../cache/entry-store.ts";
import { Lease } from "../cache/lease.ts";
import { type ImageRecord, imageEntry, type LayerRecord, layerEntry } from "../cache/records.ts";
import { RecipeLibrary } from "../recipe-language/recipe-library.ts";
import { type AnyStepKind, stepKinds } from "../steps/registry.ts";
import type { FileTree } from "../tree/file-tree.ts";
import type { BuildEvent, BuildRequest } from "./build-request.ts";
import type { BuiltImages } from "./image-assembly.ts";
import type { PlannedImage } from "./planned-image.ts";
import { WaitGraph } from "./wait-graph.ts";

/** What a build session is opened with, besides the request: other kinds of steps, for tests. */
export interface SessionOptions {
  readonly kinds?: ReadonlyMap<string, AnyStepKind>;
}

const unusable: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"]);

export const checkout: string = join(import.meta.dirname, "../../../..");

export class BuildSession {
  readonly lease: Lease;
  readonly layers: EntryStore<LayerRecord>;
  readonly images: EntryStore<ImageRecord>;
  readonly kinds: ReadonlyMap<string, AnyStepKind>;
  readonly library: RecipeLibrary;
  readonly guestDirectory: string;
  /** In place of the recipes' dates. */
  readonly dateOverride: number | undefined;
  readonly rebuild: boolean;
  readonly signal: AbortSignal;
  readonly waits: WaitGraph = new WaitGraph();
  /** Plans and layers in the making: asked for twice, made once. */
  readonly plans: Map<string, Promise<PlannedImage>> = new Map();
  readonly making: Map<string, Promise<LayerRecord>> = new Map();
  readonly building: Map<string, Promise<BuiltImages>> = new Map();
  readonly trees: Map<string, Promise<FileTree>> = new Map();
  readonly #abort = new AbortController();
  readonly #started = performance.now();
  readonly #onEvent: ((event: BuildEvent) => void) | undefined;

  private constructor(request: BuildRequest, options: SessionOptions, lease: Lease) {
    this.lease = lease;
    this.layers = new EntryStore(layerEntry, lease);
    this.images = new EntryStore(imageEntry, lease);
    this.kinds = options.kinds ?? stepKinds;
    this.library = new RecipeLibrary(request.recipesDirectory ?? join(checkout, "images"), this.kinds);
    this.guestDirectory = request.guestDirectory ?? join(checkout, "guest");
    this.dateOverride = sourceDateEpoch(request);
    this.rebuild = request.rebuild === true;
    this.signal = request.signal ? AbortSignal.any([request.signal, this.#abort.signal]) : this.#abort.signal;
    // Every layer of every image listens.
    setMaxListeners(0, this.signal);
    this.#onEvent = request.onEvent;
  }

  static async open(request: BuildRequest, options: SessionOptions = {}): Promise<BuildSession> {
    request.signal?.throwIfAborted();
    const folders = cacheFolders(request.cacheDirectory);
    const lease = await Lease.open(folders).catch((error: NodeJS.ErrnoException) => {
      if (!unusable.has(String(error.code))) throw error;
      throw new PlatformError("IMAGE_BUILD_FAILED", `the cache cannot be used: ${error.message}`, {
        cause: error,
        remedy: `make ${folders.root} a folder that you may write, or name another with --cache-dir or XDG_CACHE_HOME`,
      });
    });
    try {
      return new BuildSession(request, options, lease);
    } catch (error) {
      await lease.end();
      throw error;
    }
  }

  get cacheDirectory(): string {
    return this.lease.folders.root;
  }

  get elapsedMs(): number {
    return Math.round(performance.now() - this.#started);
  }

  emit(event: Omit<BuildEvent, "elapsedMs">): void {
    this.#onEvent?.({ ...event, elapsedMs: this.elapsedMs });
  }

  /** Runs all; when one fails the others are cancelled, and all have ended before this rejects with the first failure. */
  async all<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
    let failed = false;
    let first: unknown;
    const ended = work.map((one) =>
      one.catch((error: unknown) => {
        if (!failed) first = error;
        failed = true;
        this.#abort.abort(new PlatformError("CANCELLED", "another part of the build failed"));
      }),
    );
    await Promise.all(ended);
    if (failed) throw first;
    return await Promise.all(work);
  }

  /** Cancels what may still run (a step need not have waited for all that it asked for), waits for its end, and removes the work directories. */
  async end(): Promise<void> {
    this.#abort.abort(new PlatformError("CANCELLED", "the build has ended"));
    const known = [this.plans, this.making, this.building, this.trees].map((map) => [...map.values()]);
    await Promise.allSettled<unknown>(known.flat());
    await this.lease.end();
  }
}

function sourceDateEpoch(request: BuildRequest): number | undefined {
  if (request.sourceDateEpoch !== undefined) return request.sourceDateEpoch;
  const text = process.env["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new PlatformError("REQUEST_INVALID", `SOURCE_DATE_EPOCH is ${JSON.stringify(text)}: no number of seconds`);
}
