/**
 * The metrics over prom-client. Counters and histograms are pushed by the engine; gauges are read from it on every scrape, so that nothing
 * has to be kept in step. Usage of single microVMs is asked of their VMMs on each scrape, and only when it is switched on.
 */
import { grpcStatusName } from "@liquidmetal/api";
import type { UsageSample } from "@liquidmetal/microvm";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ApiMetrics } from "../api/api-metrics.ts";
import type { EngineMetrics } from "./metrics.ts";

/** What a scrape reads from the engine. */
export interface EngineGauges {
  statistics(): {
    readonly queueDepth: number;
    readonly active: number;
    readonly phases: Readonly<Record<string, number>>;
  };
  usage(): Promise<
    readonly { readonly uid: string; readonly namespace: string; readonly name: string; readonly sample: UsageSample }[]
  >;
}

export interface PrometheusOptions {
  readonly version: string;
  /** Also the process's own figures (heap, event loop lag). Default true. */
  readonly processMetrics?: boolean;
  /** Figures of each microVM: cpu, memory, disk, network. Default true. */
  readonly perMicroVm?: boolean;
}

export interface PrometheusMetrics extends EngineMetrics, ApiMetrics {
  /** Names the engine whose gauges are read; until then they are absent. */
  attach(engine: EngineGauges): void;
  /** The exposition text. */
  text(): Promise<string>;
  readonly contentType: string;
}

const stepSeconds: number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

const usageGauges = [
  ["liquidmetal_microvm_cpu_seconds", "Processor time used by the VMM since its start.", "cpuSeconds"],
  ["liquidmetal_microvm_memory_bytes", "Memory of the VMM that is resident on the host.", "memoryBytes"],
  ["liquidmetal_microvm_disk_read_bytes", "Bytes the guest read from its volumes.", "diskReadBytes"],
  ["liquidmetal_microvm_disk_written_bytes", "Bytes the guest wrote to its volumes.", "diskWrittenBytes"],
  ["liquidmetal_microvm_network_received_bytes", "Bytes the guest received.", "networkReceivedBytes"],
  ["liquidmetal_microvm_network_sent_bytes", "Bytes the guest sent.", "networkSentBytes"],
] as const satisfies readonly (readonly [string, string, keyof UsageSample])[];

export function createPrometheusMetrics(options: PrometheusOptions): PrometheusMetrics {
  const { version, processMetrics = true, perMicroVm = true } = options;
  const register = new Registry();
  const registers = [register];
  if (processMetrics) collectDefaultMetrics({ register });
  new Gauge({ name: "liquidmetal_build_info", help: "Always 1.", labelNames: ["version"], registers }).set(
    { version },
    1,
  );
  const steps = new Histogram({
    name: "liquidmetal_reconcile_step_seconds",
    help: "Duration of reconcile steps.",
    labelNames: ["step", "outcome"],
    buckets: stepSeconds,
    registers,
  });
  const failures = new Counter({
    name: "liquidmetal_reconcile_failures_total",
    help: "Failed reconcile steps by error code.",
    labelNames: ["step", "code"],
    registers,
  });
  const creations = new Histogram({
    name: "liquidmetal_microvm_create_seconds",
    help: "From acceptance to a running VMM.",
    buckets: stepSeconds,
    registers,
  });
  // Upstream's name and labels, so that dashboards of gRPC servers work.
  const grpcHandled = new Counter({
    name: "grpc_server_handled_total",
    help: "gRPC calls that ended, by status code.",
    labelNames: ["grpc_service", "grpc_method", "grpc_code"],
    registers,
  });
  const calls = new Histogram({
    name: "liquidmetal_api_call_seconds",
    help: "Duration of API calls; a stream counts from its first to its last message.",
    labelNames: ["protocol", "method"],
    buckets: stepSeconds,
    registers,
  });
  const depth = new Gauge({ name: "liquidmetal_queue_depth", help: "MicroVMs that wait for work.", registers });
  const active = new Gauge({ name: "liquidmetal_queue_active", help: "MicroVMs being worked on.", registers });
  const phases = new Gauge({
    name: "liquidmetal_microvms",
    help: "MicroVMs by phase.",
    labelNames: ["phase"],
    registers,
  });
  const usage = usageGauges.map(([name, help, field]) => ({
    field,
    gauge: new Gauge({ name, help, labelNames: ["namespace", "name", "uid"], registers }),
  }));
  let source: EngineGauges | undefined;

  async function readGauges(engine: EngineGauges): Promise<void> {
    const statistics = engine.statistics();
    depth.set(statistics.queueDepth);
    active.set(statistics.active);
    phases.reset();
    for (const [phase, count] of Object.entries(statistics.phases)) phases.set({ phase }, count);
    if (!perMicroVm) return;
    const samples = await engine.usage();
    for (const { gauge, field } of usage) {
      gauge.reset();
      for (const { namespace, name, uid, sample } of samples) gauge.set({ namespace, name, uid }, sample[field]);
    }
  }

  return {
    contentType: register.contentType,
    stepFinished: (step, outcome, durationMs, code) => {
      steps.observe({ step, outcome }, durationMs / 1_000);
      if (code !== undefined) failures.inc({ step, code });
    },
    callFinished: ({ protocol, method, status, durationMs }) => {
      calls.observe({ protocol, method }, durationMs / 1_000);
      if (protocol !== "grpc") return;
      const [, service = "", name = ""] = method.split("/");
      grpcHandled.inc({ grpc_service: service, grpc_method: name, grpc_code: grpcStatusName(status) });
    },
    created: (durationMs) => creations.observe(durationMs / 1_000),
    attach: (engine) => {
      source = engine;
    },
    text: async () => {
      if (source !== undefined) await readGauges(source);
      return await register.metrics();
    },
  };
}
