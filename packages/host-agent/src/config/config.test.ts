/** Where values come from, what is refused and how it is said. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseDurationMs, unwrap } from "@liquidmetal/foundation";
import fc from "fast-check";
import { parseCommandLine } from "./command-line.ts";
import { configKeys } from "./keys.ts";
import { parseListenAddress } from "./listen-address.ts";
import { defaultAgentConfig, type LoadedConfig, loadConfig } from "./load.ts";
import { showConfig, showVersion } from "./show.ts";
import { parseSizeBytes } from "./size.ts";

function load(
  argv: readonly string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): LoadedConfig {
  return unwrap(loadConfig(["run", ...argv], env, (path) => files[path]));
}

function problems(argv: readonly string[], env: Record<string, string> = {}, file?: string): string {
  const result = loadConfig(["run", ...argv], env, () => file);
  assert.ok(!result.ok, "expected a failure");
  assert.equal(result.error.code, "CONFIG_INVALID");
  return result.error.message;
}

const etc = "/etc/opt/flintlockd/config.yaml";

describe("defaults", () => {
  test("are upstream's", () => {
    const config = defaultAgentConfig();
    assert.deepEqual(config.api.grpc, [{ kind: "tcp", host: "localhost", port: 9_090, loopback: true }]);
    assert.equal(config.api.http, undefined);
    assert.equal(config.stateDir, "/var/lib/flintlock");
    assert.equal(config.engine.resyncPeriodMs, 600_000);
    assert.equal(config.engine.deleteTimeoutMs, 10_000);
    assert.equal(config.containerd.socket, "/run/containerd/containerd.sock");
    assert.equal(config.containerd.namespace, "flintlock");
    assert.equal(config.containerd.kernelSnapshotter, "native");
    assert.equal(config.hypervisors.firecrackerBin, "firecracker");
    assert.equal(config.hypervisors.cloudHypervisorBin, "cloud-hypervisor-static");
    assert.equal(config.hypervisors.virtiofsBin, "/usr/libexec/virtiofsd");
    assert.equal(config.engine.maximumRetry, 10);
    assert.equal(config.capacity.overcommitVcpu, 4);
  });
  test("every flag of upstream's is there under its name, with its default but for the provider's", () => {
    const upstream = {
      ...{ verbosity: "0", "log-format": "text", "log-output": "stderr", "grpc-endpoint": "localhost:9090" },
      ...{ "state-dir": "/var/lib/flintlock", "resync-period": "10m0s", "deleteMicroVM-timeout": "10s" },
      ...{ "basic-auth-token": "", insecure: "false", "tls-cert": "", "tls-key": "", "tls-client-validate": "false" },
      ...{ "tls-client-ca": "", "containerd-socket": "/run/containerd/containerd.sock", "containerd-ns": "flintlock" },
      ...{ "containerd-kernel-ss": "native", "firecracker-bin": "firecracker", "firecracker-detach": "true" },
      ...{ "cloudhypervisor-bin": "cloud-hypervisor-static", "cloudhypervisor-detach": "true" },
      ...{
        "default-provider": "auto",
        "debug-endpoint": "",
        "enable-http": "false",
        "http-endpoint": "localhost:8090",
      },
      ...{ "virtiofs-bin": "/usr/libexec/virtiofsd", "parent-iface": "", "bridge-name": "" },
      ...{ "disable-reconcile": "false", "maximum-retry": "10", "disable-api": "false" },
    };
    const ours = Object.entries(configKeys).map(([name, { fallback }]) => [name, fallback]);
    const kept = Object.fromEntries(ours.filter(([name = ""]) => name in upstream));
    assert.deepEqual(kept, upstream);
    assert.equal(configKeys.verbosity.short, "v");
  });
  test("the configuration cannot be changed", () => {
    assert.throws(() => Object.assign(defaultAgentConfig().api, { insecure: true }), TypeError);
  });
});

describe("precedence", () => {
  test("flag before environment before file before default, and each origin is told", () => {
    const files = { [etc]: "state-dir: /file\nrun-dir: /file\ncontainerd-ns: file\n" };
    const env = { FLINTLOCKD_STATE_DIR: "/env", "FLINTLOCKD_RUN-DIR": "/env" };
    const { config, origins } = load(["--state-dir", "/flag"], env, files);
    assert.equal(config.stateDir, "/flag");
    assert.equal(config.runDir, "/env");
    assert.equal(config.containerd.namespace, "file");
    assert.deepEqual(origins["state-dir"], { source: "flag", where: "--state-dir" });
    assert.deepEqual(origins["run-dir"], { source: "environment", where: "FLINTLOCKD_RUN-DIR" });
    assert.deepEqual(origins["containerd-ns"], { source: "file", where: `${etc}:3:1` });
    assert.equal(origins.insecure.source, "default");
  });
  test("the personal file is read where there is no system one", () => {
    assert.equal(
      load([], { HOME: "/h" }, { "/h/.config/flintlockd/config.yaml": "verbosity: 9" }).config.log.level,
      "trace",
    );
    const xdg = { XDG_CONFIG_HOME: "/x", HOME: "/h" };
    assert.equal(load([], xdg, { "/x/flintlockd/config.yaml": "verbosity: 2" }).config.log.level, "debug");
  });
  test("a file named by --config must exist", () => {
    assert.match(problems(["--config", "/nope.yaml"]), /\/nope\.yaml: does not exist/);
  });
});

describe("flags", () => {
  test("Go's forms of switches, global flags before the command, repeated lists", () => {
    assert.equal(load(["--insecure"]).config.api.insecure, true);
    assert.equal(load(["--insecure=false"]).config.api.insecure, false);
    assert.equal(load(["--firecracker-detach=false"]).config.hypervisors.firecrackerDetach, false);
    const line = loadConfig(["--verbosity", "9", "run"], {}, () => undefined);
    assert.equal(unwrap(line).config.log.level, "trace");
    const { api } = load([
      "--grpc-endpoint",
      "localhost:1",
      "--grpc-endpoint",
      "unix:/a",
      "--listen-unix",
      "/b",
    ]).config;
    assert.deepEqual(
      api.grpc.map((address) => (address.kind === "unix" ? address.path : address.port)),
      [1, "/a", "/b"],
    );
    assert.deepEqual(load(["--host-labels", "a=b,c=d"]).config.labels, { a: "b", c: "d" });
  });
  test("an unknown flag is refused with a suggestion", () => {
    assert.match(problems(["--grpc-endpont", "x"]), /unknown option '--grpc-endpont'[\s\S]*--grpc-endpoint/);
  });
  test("the hidden flags of upstream are accepted", () => {
    const { config } = load(["--disable-api", "--disable-reconcile", "--maximum-retry", "3"]);
    assert.equal(config.api.enabled, false);
    assert.equal(config.engine.reconcile, false);
    assert.equal(config.engine.maximumRetry, 3);
  });
});

describe("file", () => {
  test("unknown keys and wrong values are told together, with their place", () => {
    const text = problems([], {}, "grpc-endpont: x\nverbosity: loud\nresync-period: soon\n");
    assert.match(text, /3 problems/);
    assert.match(text, /config\.yaml:1:1: unknown key 'grpc-endpont'; did you mean 'grpc-endpoint'\?/);
    assert.match(text, /config\.yaml:2:1: verbosity: must be a whole number/);
    assert.match(text, /config\.yaml:3:1: resync-period: must be a duration/);
  });
  test("broken YAML says where", () => {
    assert.match(problems([], {}, "a: [1\nb: 2"), /config\.yaml:\d+:\d+: /);
    assert.match(problems([], {}, "- a"), /must be a mapping/);
  });
  test("an empty file is fine; mappings and lists are read", () => {
    load([], {}, { [etc]: "" });
    const { config } = load(
      [],
      {},
      {
        [etc]:
          "host-labels: {a: b}\nvirtiofs-root: [/srv, /data]\nnetwork-shared: [10.244.0.0/16, 'fd00::/56']\ninsecure: true\n",
      },
    );
    assert.deepEqual(config.network.sharedNetworks, ["10.244.0.0/16", "fd00::/56"]);
    assert.deepEqual(config.labels, { a: "b" });
    assert.deepEqual(config.volumes.virtiofsRoots, ["/srv", "/data"]);
  });
});

describe("rules between keys", () => {
  const rows: readonly [readonly string[], RegExp][] = [
    [["--network-shared", "10.244.0.0"], /network-shared.*10\.244\.0\.0\/16.*'10\.244\.0\.0'/],
    [["--network-shared", "10.244.0.0/16,0.0.0.0/0"], /'0\.0\.0\.0\/0'/],
    [["--network-shared", "fd00::/129"], /'fd00::\/129'/],
    [
      ["--insecure", "--tls-cert", "a", "--tls-key", "b"],
      /cannot specify tls certificate details when running insecurely/,
    ],
    [["--tls-key", "b"], /certificate file path is required when running securely/],
    [["--tls-cert", "a"], /certificate key file path is required when running securely/],
    [
      ["--tls-cert", "a", "--tls-key", "b", "--tls-client-validate"],
      /client certificate key file path is required when running mTLS/,
    ],
    [["--tls-cert", "a", "--tls-key", "b", "--tls-client-ca", "c"], /has no effect without tls-client-validate/],
    [["--qemu-bin", "", "--firecracker-bin", "", "--cloudhypervisor-bin", ""], /at least one microvm provider/],
    [["--default-provider", "qemu", "--qemu-bin", ""], /default-provider: is qemu, but qemu-bin is empty/],
    [["--default-provider", "xen"], /must be one of auto, qemu/],
    [["--network", "bridge"], /set bridge-name or parent-iface/],
    [["--network-isolation", "on"], /must be one of auto, cluster, none/],
    [
      ["--grpc-endpoint", "0.0.0.0:9090"],
      /grpc-endpoint: certificate file path is required .*0\.0\.0\.0:9090 can be reached/,
    ],
    [["--enable-http", "--http-endpoint", ":8090"], /http-endpoint: certificate .*\[::\]:8090 can be reached/],
    [["--state-dir", "relative"], /state-dir: must be an absolute path/],
    [["--run-dir", `/${"x".repeat(80)}`], /at most 60 bytes/],
    [["--log-format", "xml"], /must be one of text, json/],
  ];
  for (const [argv, text] of rows) test(argv.join(" "), () => assert.match(problems(argv), text));

  test("the network follows the devices named", () => {
    assert.equal(load([]).config.network.mode, "embedded");
    assert.equal(load(["--bridge-name", "br0"]).config.network.mode, "bridge");
    assert.equal(load(["--parent-iface", "eth0"]).config.network.mode, "bridge");
  });

  test("plain text is taken where nobody else hears it, nobody is served, or somebody asks for it", () => {
    for (const more of [["--insecure"], ["--tls-cert", "a", "--tls-key", "b"], ["--disable-api"]]) {
      load(["--grpc-endpoint", "0.0.0.0:9090", ...more]);
    }
    load(["--http-endpoint", "0.0.0.0:8090"]);
    load(["--grpc-endpoint", "127.0.0.1:9090,unix:/run/one.sock"]);
  });

  test("clusters are isolated from each other in the embedded network, and on a user's bridge where that is asked for", () => {
    assert.equal(load([]).config.network.isolation, "cluster");
    assert.equal(load(["--bridge-name", "br0"]).config.network.isolation, "none");
    assert.equal(load(["--bridge-name", "br0", "--network-isolation", "cluster"]).config.network.isolation, "cluster");
    assert.equal(load(["--network-isolation", "none"]).config.network.isolation, "none");
  });

  test("what is accepted and does nothing is warned of, unless it says what is so anyway", () => {
    const { warnings } = load(
      ["--reserve-vcpu", "1", "--firecracker-detach=false"],
      {},
      {
        [etc]: "containerd-kernel-ss: overlayfs\nfirecracker-bin: firecracker\n",
      },
    );
    assert.deepEqual(warnings, [
      `${etc}:1:1: containerd-kernel-ss has no effect in this version`,
      "firecracker-detach has no effect in this version",
      "reserve-vcpu has no effect in this version",
    ]);
    assert.deepEqual(load([]).warnings, []);
  });
  test("unknown variables are told and ignored: a cluster sets some by itself", () => {
    const { warnings } = load([], { FLINTLOCKD_SERVICE_HOST: "10.0.0.1", FLINTLOCKD_INSECUR: "1" });
    assert.equal(warnings.length, 2);
    assert.match(warnings[1] ?? "", /FLINTLOCKD_INSECUR is ignored.*did you mean 'insecure'/);
  });
});

describe("other commands", () => {
  test("config show masks secrets and can be read back", () => {
    const loaded = load(["--basic-auth-token", "hush", "--host-labels", "a=b", "--insecure"]);
    const text = showConfig(loaded, false);
    assert.doesNotMatch(text, /hush/);
    const again = load([], {}, { [etc]: text.replace("********", "hush") });
    assert.deepEqual(again.config, loaded.config);
    assert.match(showConfig(loaded, true), /insecure: true {2}# flag: --insecure/);
  });
  test("version in its three forms", () => {
    const info = { version: "v1", commitHash: "abc", buildDate: "today" };
    assert.equal(showVersion(info, "plain"), "flintlock v1\n");
    assert.equal(showVersion(info, "short"), "v1\n");
    assert.match(showVersion(info, "long"), /Version: +v1[\s\S]*CommitHash: abc[\s\S]*BuildDate: +today/);
    assert.deepEqual(unwrap(parseCommandLine(["version", "--long"])), { command: "version", form: "long" });
  });
  test("no command is help", () => {
    assert.equal(unwrap(parseCommandLine([])).command, "help");
    assert.equal(unwrap(parseCommandLine(["run", "--help"])).command, "help");
    assert.equal(parseCommandLine(["rnu"]).ok, false);
  });
});

describe("values", () => {
  test("durations are Go's", () => {
    assert.equal(parseDurationMs("10m0s"), 600_000);
    assert.equal(parseDurationMs("1h30m"), 5_400_000);
    assert.equal(parseDurationMs("1.5s"), 1_500);
    for (const bad of ["", "10", "s", "-1s", "1d", "1s "]) assert.equal(parseDurationMs(bad), undefined, bad);
  });
  test("sizes", () => {
    assert.equal(parseSizeBytes("1MiB"), 1_048_576);
    assert.equal(parseSizeBytes("1MB"), 1_000_000);
    assert.equal(parseSizeBytes("17"), 17);
    assert.equal(parseSizeBytes("much"), undefined);
  });
  test("listen addresses", () => {
    assert.deepEqual(unwrap(parseListenAddress(":9090")), { kind: "tcp", host: "", port: 9_090, loopback: false });
    assert.deepEqual(unwrap(parseListenAddress("[::1]:1")), { kind: "tcp", host: "[::1]", port: 1, loopback: true });
    for (const bad of ["localhost", "a:99999", "unix:relative", `unix:/${"x".repeat(107)}`, "a b:1"]) {
      assert.equal(parseListenAddress(bad).ok, false, bad);
    }
  });
  test("parsers never throw", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseDurationMs(text);
        parseSizeBytes(text);
        parseListenAddress(text);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        loadConfig(["run"], {}, () => text);
      }),
      { numRuns: 50 },
    );
  });
});
