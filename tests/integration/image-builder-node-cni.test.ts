/**
 * guest/cni with real routes and real packets: two nodes and a pod in network namespaces, and an API server that lists and watches their Nodes.
 * Needs root, `ip`, `nft` and Go.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import type { NodeCommand } from "./image-builder-node-api.ts";

const source = join(import.meta.dirname, "../../guest/cni");
const missing = whyNotHere();

describe("the CNI keeps routes to other nodes", { skip: missing ?? false, timeout: 120_000 }, () => {
  const mark = `lmc${randomBytes(3).toString("hex")}`;
  const [a, b, pod] = [`${mark}-a`, `${mark}-b`, `${mark}-p`];
  const directory = mkdtempSync(join(tmpdir(), "lm-cni-"));
  const program = join(directory, "liquidmetal-cni");
  const running: Lines[] = [];
  let api: Lines;
  let onA: Lines;

  const ip = (namespace: string, line: string): string => run("ip", "-n", namespace, ...line.split(" "));
  const inside = (namespace: string, ...command: string[]): string => run("ip", "netns", "exec", namespace, ...command);
  const start = (namespace: string, ...command: string[]): Lines => {
    const started = new Lines(spawn("ip", ["netns", "exec", namespace, ...command]));
    running.push(started);
    return started;
  };
  const cni = (namespace: string, name: string): Lines =>
    start(
      namespace,
      program,
      `--node-name=${name}`,
      "--server=http://192.0.2.1:8080",
      `--cni-directory=${join(directory, name)}`,
      `--credentials=${directory}`,
      "--resync=1m",
    );
  const tell = async (command: NodeCommand): Promise<void> => {
    const done = api.next('"done"');
    api.write(command);
    await done;
  };
  const ownRoutes = (): string[] =>
    ip(a, "route show proto 76")
      .split("\n")
      .filter((line) => line !== "");
  const seenBy = (target: string): string =>
    inside(
      pod,
      process.execPath,
      "-e",
      `fetch("http://${target}:9000").then((r) => r.text()).then(console.log)`,
    ).trim();

  before(async () => {
    execFileSync("go", ["build", "-trimpath", "-o", program, "."], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    for (const namespace of [a, b, pod]) {
      run("ip", "netns", "add", namespace);
      ip(namespace, "link set lo up");
    }
    ip(a, `link add eth0 type veth peer name eth0 netns ${b}`);
    ip(a, `link add pod0 type veth peer name eth0 netns ${pod}`);
    for (const [namespace, line] of [
      [a, "addr add 192.0.2.1/24 dev eth0"],
      [b, "addr add 192.0.2.2/24 dev eth0"],
      [a, "addr add 10.244.0.1/24 dev pod0"],
      [pod, "addr add 10.244.0.5/24 dev eth0"],
      [b, "addr add 10.244.1.1/24 dev lo"],
      [b, "addr add 203.0.113.9/32 dev lo"],
      [a, "link set eth0 mtu 1450 up"],
      [b, "link set eth0 mtu 1450 up"],
      [a, "link set pod0 up"],
      [pod, "link set eth0 up"],
      [pod, "route add default via 10.244.0.1"],
      [a, "route add 203.0.113.9 via 192.0.2.2"],
      [a, "route add 10.99.0.0/24 via 192.0.2.2 proto static"],
    ] as const) {
      ip(namespace, line);
    }
    inside(a, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    inside(b, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    api = start(a, process.execPath, join(import.meta.dirname, "image-builder-node-api.ts"));
    await api.next("listening");
    await tell({ put: { name: "a", address: "192.0.2.1", podCIDRs: ["10.244.0.0/24"] } });
    await tell({ put: { name: "b", address: "192.0.2.2", podCIDRs: ["10.244.1.0/24"] } });
    const mirror =
      "require('http').createServer((q, r) => r.end(q.socket.remoteAddress)).listen(9000, '0.0.0.0', () => console.log('serving'))";
    await start(b, process.execPath, "-e", mirror).next("serving");
    onA = cni(a, "a");
    await Promise.all([onA.next("cni.configuration_written"), cni(b, "b").next("cni.configuration_written")]);
  });

  after(() => {
    for (const one of running) one.end();
    for (const namespace of [a, b, pod]) {
      try {
        run("ip", "netns", "delete", namespace);
      } catch {
        // Was never made.
      }
    }
    rmSync(directory, { recursive: true, force: true });
  });

  test("passes its own unit tests", () => {
    execFileSync("go", ["test", "./..."], { cwd: source, stdio: "pipe" });
  });

  test("writes a configuration for the node's own pods, whole, with the MTU of its network", () => {
    assert.deepEqual(readdirSync(join(directory, "a")), ["10-liquidmetal.conflist"]);
    const { plugins } = JSON.parse(readFileSync(join(directory, "a", "10-liquidmetal.conflist"), "utf8"));
    assert.deepEqual(
      plugins.map((plugin: { type: string }) => plugin.type),
      ["bridge", "portmap"],
    );
    assert.equal(plugins[0].mtu, 1450);
    assert.deepEqual(plugins[0].ipam.ranges, [[{ subnet: "10.244.0.0/24" }]]);
  });

  test("a pod reaches a pod of the other node with its own address, and the world with its node's", () => {
    assert.equal(seenBy("10.244.1.1"), "10.244.0.5");
    assert.equal(seenBy("203.0.113.9"), "192.0.2.1");
  });

  test("is healthy and ready", () => {
    const asked = inside(
      a,
      process.execPath,
      "-e",
      'fetch("http://127.0.0.1:10390/readyz").then(async (r) => console.log(r.status, await r.text()))',
    );
    assert.match(asked, /^200 .*"configured":true/);
  });

  test("routes come and go with the nodes; nobody else's are touched", async () => {
    const added = onA.next("cni.route_added");
    await tell({ put: { name: "c", address: "192.0.2.3", podCIDRs: ["10.244.2.0/24"] } });
    await added;
    assert.deepEqual(ownRoutes(), ["10.244.1.0/24 via 192.0.2.2 dev eth0 ", "10.244.2.0/24 via 192.0.2.3 dev eth0 "]);
    const moved = onA.next("cni.route_added");
    await tell({ put: { name: "c", address: "192.0.2.4", podCIDRs: ["10.244.2.0/24"] } });
    await moved;
    assert.deepEqual(ownRoutes(), ["10.244.1.0/24 via 192.0.2.2 dev eth0 ", "10.244.2.0/24 via 192.0.2.4 dev eth0 "]);
    const removed = onA.next("cni.route_removed");
    await tell({ remove: "c" });
    await removed;
    assert.deepEqual(ownRoutes(), ["10.244.1.0/24 via 192.0.2.2 dev eth0 "]);
    assert.match(ip(a, "route"), /10\.99\.0\.0\/24 via 192\.0\.2\.2/);
  });

  test("says of a node on another network that its pods cannot be reached", async () => {
    const problem = onA.next("cni.problem");
    await tell({ put: { name: "far", address: "198.51.100.7", podCIDRs: ["10.244.9.0/24"] } });
    assert.match(await problem, /node far \(198\.51\.100\.7\) is not on the same layer-2 network/);
    const over = onA.next("cni.problem_over");
    await tell({ remove: "far" });
    await over;
  });

  test("lists again when the server has forgotten where the watch was, and goes on", async () => {
    const relisted = onA.next("cni.relist");
    const watching = api.next("watching");
    await tell({ forget: true });
    await relisted;
    await watching;
    const added = onA.next("cni.route_added");
    await tell({ put: { name: "c", address: "192.0.2.3", podCIDRs: ["10.244.2.0/24"] } });
    await added;
  });

  test("started again, it takes away what became stale and leaves the rest alone", async () => {
    const table = inside(a, "nft", "list", "ruleset");
    onA.end();
    await onA.ended;
    assert.equal(ownRoutes().length, 2, "routes stay while it is away");
    await tell({ remove: "c" });
    onA = cni(a, "a");
    const events: string[] = [];
    onA.onLine = (line) => events.push(JSON.parse(line).event);
    await onA.next("cni.route_removed");
    assert.deepEqual(ownRoutes(), ["10.244.1.0/24 via 192.0.2.2 dev eth0 "]);
    assert.ok(!events.includes("cni.route_added"), events.join(" "));
    assert.match(table, /table ip liquidmetal-cni/);
    assert.equal(seenBy("203.0.113.9"), "192.0.2.1");
  });
});

/** A program whose lines are waited for. */
class Lines {
  readonly ended: Promise<void>;
  onLine: ((line: string) => void) | undefined;
  readonly #child: ChildProcess;
  readonly #waits = new Set<{ text: string; resolve: (line: string) => void }>();
  #said = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => child.once("close", () => resolve()));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#hear(line));
    }
  }

  /** The next line that has `text` in it; the test's own deadline holds. */
  async next(text: string): Promise<string> {
    return await new Promise((resolve, reject) => {
      const wait = { text, resolve };
      this.#waits.add(wait);
      void this.ended.then(() => {
        if (this.#waits.delete(wait)) reject(new Error(`it ended before it said ${text}:\n${this.#said}`));
      });
    });
  }

  write(command: object): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  end(): void {
    this.#child.kill("SIGTERM");
  }

  #hear(line: string): void {
    this.#said = `${this.#said}${line}\n`.slice(-8_000);
    this.onLine?.(line);
    for (const wait of this.#waits) {
      if (!line.includes(wait.text)) continue;
      this.#waits.delete(wait);
      wait.resolve(line);
    }
  }
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
}

function whyNotHere(): string | undefined {
  if (process.getuid?.() !== 0) return "not root: network namespaces cannot be made";
  for (const [program, flag] of [
    ["ip", "-V"],
    ["nft", "--version"],
    ["go", "version"],
  ] as const) {
    try {
      execFileSync(program, [flag], { stdio: "ignore" });
    } catch {
      return `${program} is not installed`;
    }
  }
  return undefined;
}
