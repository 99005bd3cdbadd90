import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { createPinoLogger } from "./pino-logger.ts";
import { createPrometheusMetrics } from "./prometheus.ts";

test("a log line is one JSON object with a stable event, and carries no secret", () => {
  const lines: string[] = [];
  const logger = createPinoLogger({
    level: "debug",
    destination: { write: (line) => lines.push(line) },
    base: { host: "h" },
  });
  logger.info("microvm.accepted", { uid: "u", metadata: { "user-data": "c2VjcmV0" }, spec: { metadata: "c2VjcmV0" } });
  const cause = new Error("connection refused");
  logger.warn("step.failed", {
    error: new PlatformError("IMAGE_PULL_FAILED", "no", { cause, details: { image: "i" } }),
  });
  const [first, second] = lines.map((line) => JSON.parse(line));
  assert.deepEqual([first.event, first.level, first.host, first.uid], ["microvm.accepted", "info", "h", "u"]);
  assert.doesNotMatch(lines.join(""), /c2VjcmV0/);
  assert.deepEqual([second.error.code, second.error.cause.message], ["IMAGE_PULL_FAILED", "connection refused"]);
});

test("metrics show what was measured and what the engine says of itself", async () => {
  const metrics = createPrometheusMetrics({ version: "1.2.3", processMetrics: false });
  metrics.stepFinished("start-vmm", "done", 20);
  metrics.stepFinished("create-volume", "failed", 30, "DISK_FULL");
  metrics.created(40);
  metrics.callFinished({ protocol: "grpc", method: "/pkg.Service/Get", status: 5, durationMs: 3 });
  const sample = {
    ...{ cpuSeconds: 1.5, memoryBytes: 2, diskReadBytes: 3 },
    ...{ diskWrittenBytes: 4, networkReceivedBytes: 5, networkSentBytes: 6 },
  };
  metrics.attach({
    statistics: () => ({ queueDepth: 3, active: 2, phases: { running: 7 } }),
    usage: async () => [{ uid: "u", namespace: "ns", name: "n", sample }],
  });
  const text = await metrics.text();
  for (const line of [
    'liquidmetal_build_info{version="1.2.3"} 1',
    'liquidmetal_reconcile_step_seconds_count{step="start-vmm",outcome="done"} 1',
    'liquidmetal_reconcile_failures_total{step="create-volume",code="DISK_FULL"} 1',
    'grpc_server_handled_total{grpc_service="pkg.Service",grpc_method="Get",grpc_code="NOT_FOUND"} 1',
    'liquidmetal_api_call_seconds_count{protocol="grpc",method="/pkg.Service/Get"} 1',
    "liquidmetal_queue_depth 3",
    'liquidmetal_microvms{phase="running"} 7',
    'liquidmetal_microvm_cpu_seconds{namespace="ns",name="n",uid="u"} 1.5',
  ]) {
    assert.ok(text.includes(line), line);
  }
});
