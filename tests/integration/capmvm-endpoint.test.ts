/**
 * The endpoint that control planes hold themselves: keepalived with the very files of the template `keepalived`, in stand-ins for guests on the network of a
 * real host, whose rules against spoofing hold. The API servers are played by openssl.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { request } from "../conformance/host-network-suite.ts";
import { Guest } from "./host-network-guest.ts";
import { type RealWorld, realWorld, succeeds, whyNotHere } from "./host-network-world.ts";

const files = join(import.meta.dirname, "../../deploy/capmvm/templates/files");
const address = "10.87.61.250";
const skip = whyNotHere() ?? (succeeds("keepalived", "--version") ? false : "keepalived is not installed");

test("the endpoint is where an API server is ready, and survives the loss of its machine", {
  skip,
  timeout: 120_000,
}, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "lm-endpoint-"));
  chmodSync(directory, 0o755);
  const world = realWorld({
    sharedNetworks: [`${address}/32`],
    embedded: { egress: "deny", subnet: "10.87.61.0/24", stateDirectory: join(directory, "dns") },
  });
  const planes: ControlPlane[] = [];
  try {
    unwrap(await world.network.ensureEmbedded());
    makeCertificate(directory);
    for (const name of ["one", "two"]) planes.push(await ControlPlane.boot(world, name, directory));
    const [one, two] = planes as [ControlPlane, ControlPlane];

    one.holdEndpoint();
    await until("the first machine holds the endpoint before its API server runs", 15_000, () => one.holds());
    one.startApiServer();
    assert.equal(await answering(world, ["one"], 15_000), "one");

    two.holdEndpoint();
    two.startApiServer();
    await until("the second is ready", 15_000, () => two.ready());
    assert.equal(await answering(world, ["one"], 5_000), "one", "a second one does not take it over");

    let began = performance.now();
    one.stopApiServer();
    assert.equal(await answering(world, ["two"], 25_000), "two");
    context.diagnostic(`an API server that stopped: ${((performance.now() - began) / 1_000).toFixed(1)} s`);

    one.startApiServer();
    await until("the first is ready again", 20_000, () => one.ready());
    assert.equal(await answering(world, ["two"], 5_000), "two", "it does not go back");

    began = performance.now();
    two.loseMachine();
    assert.equal(await answering(world, ["one"], 25_000), "one");
    context.diagnostic(`a machine that was lost: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  } catch (error) {
    for (const plane of planes) context.diagnostic(`${plane.name}: ${plane.said.slice(-1_500)}`);
    throw error;
  } finally {
    for (const plane of planes) await plane.end();
    await world.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

test("without leave of the host no guest may take the endpoint's address", { skip, timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "lm-endpoint-"));
  chmodSync(directory, 0o755);
  const world = realWorld({
    embedded: { egress: "deny", subnet: "10.87.61.0/24", stateDirectory: join(directory, "dns") },
  });
  let guest: Guest | undefined;
  try {
    unwrap(await world.network.ensureEmbedded());
    guest = await Guest.boot(world, request("vm-1"));
    guest.configure();
    guest.run("ip", "addr", "add", `${address}/32`, "dev", "eth0");
    assert.ok(!succeeds("ip", "netns", "exec", world.namespace, "busybox", "ping", "-c1", "-W1", address));
  } finally {
    guest?.unplug();
    await world.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A machine with an /etc of its own, in which the template's files lie. */
class ControlPlane {
  readonly name: string;
  said = "";
  readonly #guest: Guest;
  readonly #directory: string;
  #keepalived: ChildProcess | undefined;
  #apiServer: ChildProcess | undefined;

  private constructor(name: string, guest: Guest, directory: string) {
    this.name = name;
    this.#guest = guest;
    this.#directory = directory;
  }

  static async boot(world: RealWorld, name: string, shared: string): Promise<ControlPlane> {
    const guest = await Guest.boot(world, request(`vm-${name}`));
    guest.configure();
    guest.run("ip", "link", "set", "lo", "up");
    const directory = join(shared, name);
    for (const folder of ["upper", "work", "www", "bin"]) mkdirSync(join(directory, folder), { recursive: true });
    for (const [path, text] of [
      ["www/readyz", "ok\n"],
      ["www/whoami", `${name}\n`],
    ] as const)
      writeFileSync(join(directory, path), text);
    // Stands for systemd: `systemctl enable --now keepalived.service` is where the template's command ends.
    writeFileSync(
      join(directory, "bin/systemctl"),
      `#!/bin/sh\nexec keepalived --dont-fork --dont-respawn --log-console --pid ${directory}/keepalived.pid --vrrp_pid ${directory}/vrrp.pid\n`,
      { mode: 0o755 },
    );
    return new ControlPlane(name, guest, directory);
  }

  holdEndpoint(): void {
    const directory = this.#directory;
    const script = `set -e
mount -t overlay -o lowerdir=/etc,upperdir=${directory}/upper,workdir=${directory}/work overlay /etc
mkdir -p /etc/liquidmetal /etc/kubernetes/pki
cp ${files}/hold-endpoint ${files}/apiserver-ready /etc/liquidmetal/
chmod 0755 /etc/liquidmetal/*
cp ${directory}/../ca.crt /etc/kubernetes/pki/ca.crt
PATH=${directory}/bin:$PATH exec /etc/liquidmetal/hold-endpoint ${address} auto`;
    // ip gives the command a mount namespace of its own.
    this.#keepalived = this.#spawn("sh", ["-c", script]);
  }

  startApiServer(): void {
    const { certificate, key } = certificateFiles(join(this.#directory, ".."));
    const www = join(this.#directory, "www");
    this.#apiServer = this.#spawn(
      "openssl",
      ["s_server", "-quiet", "-accept", "6443", "-cert", certificate, "-key", key, "-WWW"],
      www,
    );
  }

  stopApiServer(): void {
    this.#apiServer?.kill("SIGKILL");
  }

  /** The priority that keepalived says it has counts a ready API server. */
  ready(): boolean {
    return [...this.said.matchAll(/Changing effective priority from \d+ to (\d+)/g)].at(-1)?.[1] === "150";
  }

  holds(): boolean {
    return this.#guest.run("ip", "-4", "addr", "show", "dev", "eth0").includes(`${address}/32`);
  }

  /** Nothing comes from it any more, not even a word of farewell. */
  loseMachine(): void {
    this.#guest.run("ip", "link", "set", "dev", "eth0", "down");
  }

  async end(): Promise<void> {
    const running = [this.#keepalived, this.#apiServer].filter(
      (child) => child !== undefined && child.exitCode === null && child.signalCode === null,
    );
    const gone = running.map((child) => new Promise((resolve) => child?.once("close", resolve)));
    this.#apiServer?.kill("SIGKILL");
    // keepalived is two processes below the script that started it.
    for (const file of ["keepalived.pid", "vrrp.pid"]) endProcess(join(this.#directory, file));
    await Promise.all(gone);
    this.#guest.unplug();
  }

  #spawn(program: string, args: readonly string[], cwd?: string): ChildProcess {
    const child = spawn("ip", ["netns", "exec", this.#guest.namespace, program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      ...(cwd !== undefined && { cwd }),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.said += chunk.toString();
      });
    }
    return child;
  }
}

function endProcess(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  } catch {
    // It was not started, or has ended.
  }
}

const certificateFiles = (directory: string): { readonly certificate: string; readonly key: string } => ({
  certificate: join(directory, "ca.crt"),
  key: join(directory, "ca.key"),
});

function makeCertificate(directory: string): void {
  const { certificate, key } = certificateFiles(directory);
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=endpoint", "-out", certificate, "-keyout", key],
    ],
    { stdio: "ignore" },
  );
}

/** Who answers at the endpoint, asked from the host until it is one of `wanted`. */
async function answering(world: RealWorld, wanted: readonly string[], timeoutMs: number): Promise<string> {
  let answer = "";
  await until(`one of ${wanted.join(", ")} answers`, timeoutMs, async () => {
    answer = await ask(world);
    return wanted.includes(answer);
  });
  return answer;
}

function ask(world: RealWorld): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(
      "ip",
      ["netns", "exec", world.namespace, "openssl", "s_client", "-quiet", "-connect", `${address}:6443`],
      { timeout: 1_500 },
      (_, stdout) => resolve(stdout.trim().split("\n").at(-1) ?? ""),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end("GET /whoami HTTP/1.0\r\n\r\n");
  });
}

async function until(what: string, timeoutMs: number, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await reached())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
