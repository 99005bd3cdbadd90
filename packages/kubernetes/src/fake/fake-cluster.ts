/**
 * An API server in memory, for tests of reconcilers and of everything that stands on `KubernetesClient`.
 *
 * Held to the real kube-apiserver by tests/conformance/kubernetes-client-suite.ts. What it does not have: schemas (give `admit` for defaults and
 * validation), versions other than the one asked for, namespaces that must exist, subresources but `status`, authorisation.
 */
import { type Clock, type Entropy, systemClock, systemEntropy } from "@liquidmetal/foundation";
import { ApiError } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { KubernetesObject, ObjectKey, Resource } from "../object.ts";
import {
  type CallHook,
  type CallMatch,
  type FakeCall,
  matchesCall,
  type ScriptedFailure,
  writeVerbs,
} from "./call-script.ts";
import { FakeClient } from "./fake-client.ts";
import { FakeServer, type RequestHandler } from "./fake-server.ts";
import { overTheWire } from "./json.ts";
import { storageKind } from "./object-history.ts";
import { type Admission, answerOf } from "./object-writer.ts";

export interface FakeClusterOptions {
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  /** Defaults and validation, for every write. */
  readonly admit?: Admission;
  /** Lists that are merged by keys or as sets, by path ("status.hosts": ["endpoint"]); conditions, finalizers and owner references are known. */
  readonly listKeys?: Readonly<Record<string, "set" | readonly string[]>>;
  /** Deletes dependents of what is gone, as kube-controller-manager does. Default false. */
  readonly collectGarbage?: boolean;
}

export class FakeCluster {
  readonly #server: FakeServer;

  constructor(options: FakeClusterOptions = {}) {
    const { clock = systemClock, entropy = systemEntropy, collectGarbage = false, listKeys = {} } = options;
    const admit: Admission = options.admit ?? (({ object }) => object);
    this.#server = new FakeServer({
      clock,
      entropy,
      collectGarbage,
      admit,
      listKeys: (path) => listKeys[path] ?? knownListKeys(path),
    });
  }

  /** A client of its own; all share the objects. `fieldManager` is what owns what it writes. Default "test". */
  client(options: { readonly fieldManager?: string } = {}): KubernetesClient {
    return new FakeClient(this.#server, options.fieldManager ?? "test");
  }

  /** Creates the object with its status, past the script and uncounted. */
  put<T extends KubernetesObject>(resource: Resource<T>, object: T): T {
    this.#server.know(resource);
    const by = { fieldManager: "seed", subresource: "", dryRun: false };
    return JSON.parse(JSON.stringify(this.#server.writer.store(resource, overTheWire(object), by)));
  }

  /** The object as stored, past the script and uncounted. */
  read<T extends KubernetesObject>(resource: Resource<T>, key: ObjectKey): T | undefined {
    const stored = this.#server.history.get(storageKind(resource), key);
    return stored === undefined ? undefined : JSON.parse(JSON.stringify(answerOf(stored)));
  }

  /** All objects of the kind, past the script and uncounted. */
  objects<T extends KubernetesObject>(resource: Resource<T>): readonly T[] {
    return JSON.parse(JSON.stringify(this.#server.list(resource, {}).items));
  }

  /** Calls since the last `forgetCalls`, oldest first. */
  get calls(): readonly FakeCall[] {
    return this.#server.script.calls;
  }

  forgetCalls(): void {
    this.#server.script.forgetCalls();
  }

  /** How many calls matched since the last `forgetCalls`. */
  count(match: CallMatch): number {
    return this.calls.filter((call) => matchesCall(match, call)).length;
  }

  /** Calls that write, by "kind verb" or "kind/subresource verb", since the last `forgetCalls`. */
  writes(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { verb, kind, subresource } of this.calls) {
      if (!writeVerbs.includes(verb)) continue;
      const name = `${kind}${subresource === "" ? "" : `/${subresource}`} ${verb}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** Version of the newest change: the same before and after = nothing was changed. */
  get version(): number {
    return this.#server.history.version;
  }

  /** The n-th matching call from now on fails. */
  fail(match: CallMatch, failure: ScriptedFailure): Disposable {
    return this.#server.script.fail(match, failure);
  }

  /** Matching calls take this much longer, until disposed. */
  delay(match: CallMatch, delayMs: number): Disposable {
    return this.#server.script.delay(match, delayMs);
  }

  /** Calls `hook` before and after every call; what it throws, the caller gets. */
  onCall(hook: CallHook): Disposable {
    return this.#server.script.onCall(hook);
  }

  /** Answers `request` calls to other paths. */
  onRequest(handler: RequestHandler): Disposable {
    this.#server.requestHandlers.add(handler);
    return { [Symbol.dispose]: () => this.#server.requestHandlers.delete(handler) };
  }

  /** Watches that are open now. */
  openWatches(resource?: Resource): number {
    const watches = [...this.#server.watches];
    return watches.filter(({ kind }) => resource === undefined || kind === storageKind(resource)).length;
  }

  /** Sends a bookmark to every open watch. */
  bookmark(): void {
    for (const watch of this.#server.watches) watch.bookmark();
  }

  /** Forgets all changes so far: a watch from an older version gets 410. */
  compact(): void {
    this.#server.history.compact();
  }

  /** Ends every open watch: "end" as at its time limit, "reset" as when the connection breaks. */
  dropWatches(how: "end" | "reset" = "end"): void {
    const error = new ApiError("the connection broke", { httpStatus: 0 });
    for (const watch of this.#server.watches) watch.end(how === "end" ? undefined : error);
  }

  /** Open watches say nothing any more, until their clients break them off as silent. */
  stallWatches(): void {
    for (const watch of this.#server.watches) watch.stall();
  }
}

function knownListKeys(path: string): "set" | readonly string[] | undefined {
  if (path === "metadata.finalizers") return "set";
  if (path === "metadata.ownerReferences") return ["uid"];
  return path.endsWith(".conditions") ? ["type"] : undefined;
}
