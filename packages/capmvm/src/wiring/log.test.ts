import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { openLog } from "./log.ts";

function logged(
  format: "json" | "text",
  level: "debug" | "info" = "info",
): { lines: string[]; log: ReturnType<typeof openLog> } {
  const lines: string[] = [];
  return { lines, log: openLog({ format, level }, { write: (line) => void lines.push(line) }) };
}

test("the log is one event a line, with errors by code and no secrets", () => {
  const { lines, log } = logged("json");
  log.warn("reconcile.failed", {
    controller: "microvmmachine",
    error: new PlatformError("HOST_UNREACHABLE", "no answer"),
    access: { token: "hunter2" },
  });
  log.debug("reconcile.done");
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.equal(typeof time, "number");
  assert.deepEqual(rest, {
    level: "warn",
    event: "reconcile.failed",
    controller: "microvmmachine",
    access: { token: "[redacted]" },
    error: { code: "HOST_UNREACHABLE", message: "no answer", details: {} },
  });
});

test("the log as text is for people", () => {
  const { lines, log } = logged("text", "debug");
  log.debug("host.connected", { endpoint: "10.0.0.1:9090", why: "a new pool", microVms: 3 });
  assert.match(lines[0] ?? "", /^\S+Z DEBUG host\.connected endpoint=10\.0\.0\.1:9090 why="a new pool" microVms=3\n$/);
});
