/**
 * The whole of a controller process in its order.
 *
 * Up: services (health, metrics, webhooks: they serve without leadership, and conversion is needed before anything can be listed), caches until they are
 * synced, leadership, what only a leader runs, controllers. Down, on `stop`: controllers take no more work and end what runs within the grace, then the rest in
 * reverse, the lease released as soon as the controllers are quiet. When leadership is lost all of it ends at once and the error is thrown: the process has to exit.
 */
import { PlatformError, sleep, withDeadline } from "@liquidmetal/foundation";
import { type LeaderElectionOptions, runAsLeader } from "../leader-election/leader-elector.ts";
import type { ControllerPorts, RunningController } from "./start-controller.ts";

/** A part of the process that is started once and ended by disposing it. */
export interface Service {
  /** As in the log. */
  readonly name: string;
  start(signal: AbortSignal): Promise<AsyncDisposable>;
}

/** An `ObjectCache` that runs until its signal is aborted. */
export interface RuntimeCache {
  /** Kind, as in messages. */
  readonly name: string;
  readonly cache: {
    start(signal: AbortSignal): Promise<void>;
    synced(signal?: AbortSignal): Promise<void>;
    readonly isSynced: boolean;
  };
}

export interface RuntimeOptions extends ControllerPorts {
  readonly services?: readonly Service[];
  readonly caches?: readonly RuntimeCache[];
  /** Run by the leader only; up before the controllers, down after them. */
  readonly leaderServices?: readonly Service[];
  /** Each starts one: `(ports) => startController({ … }, ports)`. */
  readonly controllers: readonly ((ports: ControllerPorts) => RunningController)[];
  /** Absent = the only instance: it leads without asking. */
  readonly leaderElection?: Omit<LeaderElectionOptions, "clock" | "entropy" | "logger" | "onLeading">;
  /** How long the caches may take to fill, milliseconds. Default 120,000. */
  readonly syncTimeoutMs?: number;
  /** How long running reconciles may go on after `stop`, milliseconds. Default 8,000: less than a pod's usual 10 s. */
  readonly graceMs?: number;
}

/** What ignores its abort is left behind after this time, milliseconds. */
const abandonMs = 2_000;

/** Returns when `stop` was aborted and all has ended. Throws when a part cannot start, a cache ends by itself, or leadership is lost. */
export async function runRuntime(options: RuntimeOptions, stop: AbortSignal): Promise<void> {
  const { logger, services = [], caches = [] } = options;
  // Timers of the clock do not keep a process alive, and a process that waits to lead may have nothing else.
  const alive = setInterval(() => undefined, 60_000);
  const failed = new AbortController();
  const end = AbortSignal.any([stop, failed.signal]);
  try {
    await using stack = new AsyncDisposableStack();
    for (const service of services) await begin(service, stack, end, options);
    const reading = new AbortController();
    stack.defer(() => reading.abort());
    for (const { name, cache } of caches) {
      cache.start(reading.signal).then(
        () => reading.signal.aborted || failed.abort(new PlatformError("INTERNAL", `the cache of ${name} has ended`)),
        (error: unknown) => reading.signal.aborted || failed.abort(error),
      );
    }
    if (await filled(options, end)) {
      logger.info("runtime.synced", { caches: caches.length });
      await led(options, end);
    }
    if (failed.signal.aborted) throw failed.signal.reason;
  } finally {
    clearInterval(alive);
  }
  logger.info("runtime.stopped");
}

async function begin(
  service: Service,
  stack: AsyncDisposableStack,
  end: AbortSignal,
  options: RuntimeOptions,
): Promise<void> {
  const { clock, logger } = options;
  if (end.aborted) return;
  const running = await service.start(end);
  logger.info("runtime.started", { service: service.name });
  stack.defer(async () => {
    const waitingFor = `${service.name} to stop`;
    await withDeadline({ clock, timeoutMs: abandonMs * 3, waitingFor }, async () =>
      running[Symbol.asyncDispose](),
    ).catch((error: unknown) =>
      logger.warn("runtime.stop_failed", { service: service.name, error: PlatformError.from(error).message }),
    );
  });
}

/** False when `end` came first. */
async function filled(options: RuntimeOptions, end: AbortSignal): Promise<boolean> {
  const { clock, caches = [], syncTimeoutMs = 120_000 } = options;
  try {
    await withDeadline({ clock, timeoutMs: syncTimeoutMs, waitingFor: "the caches", signal: end }, (signal) =>
      Promise.all(caches.map(({ cache }) => cache.synced(signal))),
    );
    return true;
  } catch (error) {
    if (end.aborted) return false;
    const missing = caches.filter(({ cache }) => !cache.isSynced).map(({ name }) => name);
    throw new PlatformError(
      "DEADLINE_EXCEEDED",
      `after ${syncTimeoutMs} ms these kinds could not be listed: ${missing.join(", ")}`,
      {
        cause: error,
        remedy:
          "check that their CRDs are installed, that the API server answers, and the rights to list and watch them",
      },
    );
  }
}

async function led(options: RuntimeOptions, end: AbortSignal): Promise<void> {
  const { clock, entropy, logger, metrics, leaderElection } = options;
  if (leaderElection === undefined) return lead(options, end, new AbortController().signal);
  const name = leaderElection.lease.name;
  metrics.leader.set({ name }, 0);
  const onLeading = (leading: boolean): void => metrics.leader.set({ name }, leading ? 1 : 0);
  await runAsLeader({ ...leaderElection, clock, entropy, logger, onLeading }, (lost) => lead(options, end, lost), end);
}

async function lead(options: RuntimeOptions, end: AbortSignal, lost: AbortSignal): Promise<void> {
  const { clock, logger, metrics, entropy, leaderServices = [], graceMs = 8_000 } = options;
  const over = AbortSignal.any([end, lost]);
  await using stack = new AsyncDisposableStack();
  for (const service of leaderServices) await begin(service, stack, over, options);
  if (over.aborted) return;
  const ports: ControllerPorts = {
    clock,
    entropy,
    logger,
    metrics,
    ...(options.slowReconcileMs === undefined ? {} : { slowReconcileMs: options.slowReconcileMs }),
  };
  const controllers = options.controllers.map((start) => {
    const controller = start(ports);
    stack.defer(() => controller.abort(new PlatformError("CANCELLED", "the process stops")));
    return controller;
  });
  logger.info("runtime.working", { controllers: controllers.map(({ name }) => name) });
  lost.addEventListener("abort", () => {
    for (const controller of controllers) controller.abort(lost.reason);
  });
  await aborted(over);
  if (lost.aborted) throw lost.reason;
  logger.info("runtime.draining", { graceMs });
  const stopped = Promise.all(controllers.map((controller) => controller.stop({ graceMs })));
  await Promise.race([stopped, sleep(clock, graceMs + abandonMs, lost)]).catch((error: unknown) => {
    if (lost.aborted) throw error;
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
