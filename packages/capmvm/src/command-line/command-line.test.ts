import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseCommandLine } from "./command-line.ts";
import type { Settings } from "./settings.ts";

function settings(argv: readonly string[], environment: Record<string, string> = {}): Settings {
  const line = parseCommandLine(argv, environment);
  if (!line.ok) throw line.error;
  if (line.value.command !== "run") assert.fail(`it is ${line.value.command}`);
  return line.value.settings;
}

function refusal(...argv: readonly string[]): string {
  const line = parseCommandLine(argv, {});
  if (line.ok) assert.fail("it was taken");
  assert.equal(line.error.code, "CONFIG_INVALID");
  return line.error.message;
}

describe("the command line", () => {
  test("has upstream's defaults", () => {
    assert.deepEqual(settings([]), {
      leaderElection: { enabled: false, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
      concurrency: { cluster: 10, machine: 10, machinePool: 10, machineTemplate: 1 },
      syncPeriodMs: 600_000,
      deleteOrphans: false,
      webhook: {
        port: 9443,
        certificatePath: "/tmp/k8s-webhook-server/serving-certs/tls.crt",
        keyPath: "/tmp/k8s-webhook-server/serving-certs/tls.key",
      },
      health: { port: 9440 },
      diagnostics: { port: 8443, insecure: false },
      tls: { minVersion: "TLSv1.2", cipherSuites: [] },
      log: { level: "info", format: "json" },
    });
  });

  test("honours every flag", () => {
    const line = [
      ...["--leader-elect", "--leader-elect-lease-duration=30s", "--leader-elect-renew-deadline=20s"],
      ...["--leader-elect-retry-period=1500ms", "--leader-election-namespace=capmvm-system", "--kubeconfig=/k"],
      ...["--namespace=team", "--watch-filter=blue", "--microvmcluster-concurrency=3"],
      ...["--microvmmachine-concurrency=40", "--microvmmachinepool-concurrency=5"],
      ...["--microvmmachinetemplate-concurrency=2", "--sync-period=1m30s", "--webhook-host=127.0.0.1"],
      ...["--webhook-port=9555", "--webhook-cert-dir=/certs", "--webhook-cert-name=a.crt", "--webhook-key-name=a.key"],
      ...["--health-addr=127.0.0.1:1", "--diagnostics-address=[::1]:2", "--insecure-diagnostics=true"],
      ...["--profiler-address=localhost:3", "--tls-min-version=VersionTLS13"],
      ...["--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256"],
      ...["-v=5", "--logging-format=text", "--delete-orphaned-microvms"],
    ];
    assert.deepEqual(settings(line), {
      kubeconfig: "/k",
      leaderElection: {
        enabled: true,
        leaseDurationMs: 30_000,
        renewDeadlineMs: 20_000,
        retryPeriodMs: 1_500,
        namespace: "capmvm-system",
      },
      namespace: "team",
      watchFilter: "blue",
      concurrency: { cluster: 3, machine: 40, machinePool: 5, machineTemplate: 2 },
      syncPeriodMs: 90_000,
      deleteOrphans: true,
      webhook: { host: "127.0.0.1", port: 9555, certificatePath: "/certs/a.crt", keyPath: "/certs/a.key" },
      health: { host: "127.0.0.1", port: 1 },
      diagnostics: { host: "::1", port: 2, insecure: true },
      profiler: { host: "localhost", port: 3 },
      tls: { minVersion: "TLSv1.3", cipherSuites: ["ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"] },
      log: { level: "debug", format: "text" },
    });
  });

  test("reads flags from the environment, and lets the command line win", () => {
    const environment = { CAPMVM_MICROVMMACHINE_CONCURRENCY: "7", CAPMVM_NAMESPACE: "a", KUBECONFIG: "/from/env" };
    const found = settings(["--namespace=b"], environment);
    assert.deepEqual([found.concurrency.machine, found.namespace, found.kubeconfig], [7, "b", "/from/env"]);
  });

  test("takes the log flags of other programs", () => {
    for (const words of [["-v", "4"], ["-v4"], ["--v=4"], ["--v", "4"]])
      assert.equal(settings(words).log.level, "debug", words.join(" "));
    const line = parseCommandLine(["--vmodule=a=1", "--log-flush-frequency", "5s"], {});
    assert.deepEqual(line.ok && line.value.command === "run" && line.value.ignored, ["vmodule", "log-flush-frequency"]);
  });

  test("turns servers off", () => {
    const found = settings(["--webhook-port=0", "--diagnostics-address=0"]);
    assert.deepEqual([found.webhook, found.diagnostics], [undefined, undefined]);
  });

  test("says what is wrong and what it would take", () => {
    assert.match(refusal("--sync-period=ten"), /--sync-period is "ten", and has to be a duration/);
    assert.match(refusal("--microvmmachine-concurrency=0"), /has to be a whole number from 1 on/);
    assert.match(refusal("--microvmmachine-concurrency=0x10"), /has to be a whole number/);
    assert.match(refusal("--health-addr=9440"), /has to be an address/);
    assert.match(refusal("--health-addr=:70000"), /has to be an address/);
    assert.match(refusal("--tls-min-version=VersionTLS11"), /VersionTLS12 or VersionTLS13/);
    assert.match(refusal("--tls-cipher-suites=TLS_NO_SUCH"), /tls-cipher-suites/);
    assert.match(refusal("--logging-format=xml"), /json or text/);
    assert.match(refusal("--leader-elect=maybe"), /true or false/);
    assert.match(refusal("--leader-elect-renew-deadline=15s"), /shorter than --leader-elect-lease-duration/);
    assert.match(refusal("--leader-elect-retry-period=9s"), /shorter than --leader-elect-renew-deadline/);
    assert.match(
      refusal("--microvmmachine-concurency=3"),
      /unknown option .*Did you mean --microvmmachine-concurrency/s,
    );
    assert.match(refusal("run"), /too many arguments/);
  });

  test("knows its version and its help", () => {
    const version = parseCommandLine(["--version"], {});
    assert.deepEqual(version.ok && version.value, { command: "version" });
    const help = parseCommandLine(["--help"], {});
    const text = help.ok && help.value.command === "help" ? help.value.text : "";
    assert.match(text, /--microvmmachine-concurrency <value>\s+MicrovmMachines worked on at once \(default: 10\)/);
    assert.doesNotMatch(text, /vmodule/);
  });
});
