/**
 * flintlockd as a process, where upstream lingers, dies untold or needs what it should not: without containerd, at a signal, with a part that
 * cannot start. Its only hypervisor is the one whose machines sleep.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fakeVariable } from "../../packages/host-agent/src/wiring/hypervisors.ts";

const root = join(import.meta.dirname, "../..");
const program = join(root, "packages/host-agent/src/main.ts");
const skip = process.getuid?.() === 0 ? false : "flintlockd's spawner needs root";

/** A state of its own, in which one flintlockd after another runs. */
class Place implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "lm-process-"));
  readonly debugSocket: string = join(this.directory, "debug");
  readonly #children: ChildProcess[] = [];

  run(...more: readonly string[]): Agent {
    const args = [
      ...["--disable-warning=ExperimentalWarning", program, "run", "--network", "none", "--qemu-bin", ""],
      ...["--state-dir", join(this.directory, "state"), "--run-dir", join(this.directory, "run")],
      ...["--containerd-socket", join(this.directory, "none.sock"), "--log-output", "stdout"],
      ...["--grpc-endpoint", `unix:${join(this.directory, "api")}`, ...more],
    ];
    const env = { PATH: process.env["PATH"] ?? "", HOME: this.directory, [fakeVariable]: "1" };
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], env });
    this.#children.push(child);
    return new Agent(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

class Agent {
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  readonly #serving: Promise<void>;
  #errors = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal ?? "")));
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    const serving = Promise.withResolvers<void>();
    this.#serving = serving.promise;
    this.#serving.catch(() => undefined);
    if (child.stdout === null) throw new Error("standard output is a pipe");
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes(" agent.ready ")) serving.resolve();
    });
    void this.ended.then((how) => serving.reject(new Error(`flintlockd ended (${how}): ${this.#errors}`)));
  }

  /** What it said on standard error, once it has ended. */
  get errors(): string {
    return this.#errors;
  }

  async ready(): Promise<void> {
    await this.#serving;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function debug(place: Place, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: place.debugSocket, path }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject).end();
  });
}

describe("flintlockd", { skip, timeout: 60_000 }, () => {
  test("starts without containerd, and ends in order at SIGTERM and at SIGINT", async () => {
    await using place = new Place();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const agent = place.run();
      await agent.ready();
      agent.signal(signal);
      assert.equal(await agent.ended, 0, agent.errors);
    }
  });

  test("a part that cannot start ends the whole, says why, and leaves the state free", async () => {
    await using place = new Place();
    const occupant = createServer().listen(0, "127.0.0.1");
    await once(occupant, "listening");
    const { port } = occupant.address() as AddressInfo;
    try {
      for (const part of ["--debug-endpoint", "--grpc-endpoint", "--http-endpoint"]) {
        const failing = place.run("--enable-http", part, `127.0.0.1:${port}`);
        assert.equal(await failing.ended, 2, part);
        assert.match(failing.errors, /error: .*(EADDRINUSE|in use)/i, part);
        assert.match(failing.errors, /\nhint: \S/);
      }
    } finally {
      occupant.close();
    }
    const next = place.run();
    await next.ready();
    next.signal("SIGTERM");
    assert.equal(await next.ended, 0, next.errors);
  });

  test("the debug endpoint has metrics and liveness, and no profiles", async () => {
    await using place = new Place();
    const agent = place.run("--debug-endpoint", `unix:${place.debugSocket}`);
    await agent.ready();
    const metrics = await debug(place, "/metrics");
    assert.equal(metrics.status, 200);
    for (const name of ["liquidmetal_build_info", "grpc_server_handled_total", "process_cpu_seconds_total"]) {
      assert.match(metrics.text, new RegExp(`^# TYPE ${name} `, "m"));
    }
    assert.equal((await debug(place, "/healthz")).text, "ok\n");
    assert.equal((await debug(place, "/debug/pprof/")).status, 404);
  });

  test("a provider that this version does not drive is refused at the start, by name", async () => {
    await using place = new Place();
    for (const provider of ["firecracker", "cloudhypervisor"]) {
      const agent = place.run("--default-provider", provider);
      assert.equal(await agent.ended, 2);
      assert.match(agent.errors, new RegExp(`default-provider is ${provider}; this version drives: fake`));
    }
  });
});

test("systemd signals the agent alone, never the guests", () => {
  const unit = readFileSync(join(root, "deploy/systemd/flintlockd.service"), "utf8");
  assert.match(unit, /^KillMode=process$/m);
  assert.match(unit, /^Requires=containerd\.service$/m);
  assert.match(unit, /^Restart=always$/m);
});
