/**
 * What the runtime counts, under the names that controller-runtime and client-go made known, so that existing dashboards and alerts work.
 *
 * One registry per process part, never prom-client's global one: two runtimes in one test do not meet.
 * Source: controller-runtime pkg/internal/controller/metrics, pkg/metrics/workqueue.go, pkg/webhook/internal/metrics, pkg/certwatcher/metrics; client-go
 * tools/metrics, tools/leaderelection/metrics.go.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** A queue as the gauges see it when they are read. */
export interface ObservedQueue {
  readonly name: string;
  readonly depth: number;
  /** Seconds since each running piece of work began. */
  readonly runningSeconds: readonly number[];
}

const reconcileBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const queueBuckets = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1_000];

export class RuntimeMetrics {
  readonly registry: Registry = new Registry();
  readonly #queues: Set<ObservedQueue> = new Set();

  readonly reconciles: Counter<"controller" | "result"> = this.#counter(
    "controller_runtime_reconcile_total",
    "Total number of reconciliations per controller",
    ["controller", "result"],
  );
  readonly reconcileErrors: Counter<"controller"> = this.#counter(
    "controller_runtime_reconcile_errors_total",
    "Total number of reconciliation errors per controller",
    ["controller"],
  );
  /** Errors that only a change of the object can heal. */
  readonly terminalErrors: Counter<"controller"> = this.#counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Total number of terminal reconciliation errors per controller",
    ["controller"],
  );
  readonly reconcilePanics: Counter<"controller"> = this.#counter(
    "controller_runtime_reconcile_panics_total",
    "Total number of reconciliation panics per controller",
    ["controller"],
  );
  readonly reconcileTime: Histogram<"controller"> = this.#histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation per controller",
    ["controller"],
    reconcileBuckets,
  );
  readonly maxConcurrent: Gauge<"controller"> = this.#gauge(
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles per controller",
    ["controller"],
  );
  readonly activeWorkers: Gauge<"controller"> = this.#gauge(
    "controller_runtime_active_workers",
    "Number of currently used workers per controller",
    ["controller"],
  );
  readonly queueAdds: Counter<"name" | "controller"> = this.#counter(
    "workqueue_adds_total",
    "Total number of adds handled by workqueue",
    ["name", "controller"],
  );
  readonly queueRetries: Counter<"name" | "controller"> = this.#counter(
    "workqueue_retries_total",
    "Total number of retries handled by workqueue",
    ["name", "controller"],
  );
  readonly queueDuration: Histogram<"name" | "controller"> = this.#histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested",
    ["name", "controller"],
    queueBuckets,
  );
  readonly workDuration: Histogram<"name" | "controller"> = this.#histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes",
    ["name", "controller"],
    queueBuckets,
  );
  readonly restRequests: Counter<"code" | "method" | "host"> = this.#counter(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host",
    ["code", "method", "host"],
  );
  /** 1 = this process leads. */
  readonly leader: Gauge<"name"> = this.#gauge(
    "leader_election_master_status",
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master",
    ["name"],
  );
  readonly webhookRequests: Counter<"webhook" | "code"> = this.#counter(
    "controller_runtime_webhook_requests_total",
    "Total number of admission requests by HTTP status code",
    ["webhook", "code"],
  );
  readonly webhookInFlight: Gauge<"webhook"> = this.#gauge(
    "controller_runtime_webhook_requests_in_flight",
    "Current number of admission requests being served",
    ["webhook"],
  );
  readonly webhookLatency: Histogram<"webhook"> = this.#histogram(
    "controller_runtime_webhook_latency_seconds",
    "Histogram of the latency of processing admission requests",
    ["webhook"],
    reconcileBuckets,
  );
  readonly webhookPanics: Counter<string> = this.#counter(
    "controller_runtime_webhook_panics_total",
    "Total number of webhook panics",
    [],
  );
  readonly certificateReads: Counter<string> = this.#counter(
    "certwatcher_read_certificate_total",
    "Total number of certificate reads",
    [],
  );
  readonly certificateReadErrors: Counter<string> = this.#counter(
    "certwatcher_read_certificate_errors_total",
    "Total number of certificate read errors",
    [],
  );
  /** result: "written", "failed", "dropped" (queue full or rate limit). */
  readonly events: Counter<"result"> = this.#counter(
    "kubernetes_event_recorder_events_total",
    "Events of objects by what became of them",
    ["result"],
  );

  /** `processMetrics` adds prom-client's own (CPU, memory, event loop): for programs, not for tests. */
  constructor(options: { readonly processMetrics?: boolean } = {}) {
    this.#queueGauge("workqueue_depth", "Current depth of workqueue", ({ depth }) => depth);
    this.#queueGauge(
      "workqueue_unfinished_work_seconds",
      "How many seconds of work has been done that is in progress and hasn't been observed by work_duration",
      ({ runningSeconds }) => runningSeconds.reduce((sum, seconds) => sum + seconds, 0),
    );
    this.#queueGauge(
      "workqueue_longest_running_processor_seconds",
      "How many seconds has the longest running processor for workqueue been running",
      ({ runningSeconds }) => Math.max(0, ...runningSeconds),
    );
    if (options.processMetrics === true) collectDefaultMetrics({ register: this.registry });
  }

  /** The gauges read the queue whenever the metrics are asked for, until disposed. */
  observeQueue(queue: ObservedQueue): Disposable {
    this.#queues.add(queue);
    return { [Symbol.dispose]: () => this.#queues.delete(queue) };
  }

  #queueGauge(name: string, help: string, value: (queue: ObservedQueue) => number): void {
    const queues = this.#queues;
    new Gauge({
      name,
      help,
      labelNames: ["name", "controller"],
      registers: [this.registry],
      collect(): void {
        this.reset();
        for (const queue of queues) this.set({ name: queue.name, controller: queue.name }, value(queue));
      },
    });
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[]): Counter<T> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge<T extends string>(name: string, help: string, labelNames: T[]): Gauge<T> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram<T extends string>(name: string, help: string, labelNames: T[], buckets: number[]): Histogram<T> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
