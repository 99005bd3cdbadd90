/** `bin/lm` as a user runs it, a real process, against a whole API over a fake application: outputs, exit codes, streams, signals. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { type FakeHost, startFakeHost } from "../../packages/host-agent/src/api/fake-host.ts";

const lmProgram = join(import.meta.dirname, "../../bin/lm");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly host?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with every piece of standard output. */
  readonly onOutput?: (child: ChildProcess, text: string) => void;
}

describe("lm", { timeout: 110_000 }, () => {
  let fake: FakeHost;
  let directory: string;

  before(async () => {
    fake = await startFakeHost();
    directory = await mkdtemp(join(tmpdir(), "lm-cli-"));
  });
  after(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(() => fake.application.records.clear());

  function lm(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(lmProgram, [...args], {
        env: {
          PATH: process.env["PATH"],
          HOME: directory,
          XDG_CONFIG_HOME: directory,
          LM_HOST: options.host ?? fake.grpc,
          LM_RUN_DIR: directory,
          ...options.env,
        },
        stdio: "pipe",
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
        options.onOutput?.(child, stdout);
      });
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      child.stdin.on("error", () => undefined);
      if (options.stdin !== undefined) child.stdin.end(options.stdin);
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  const createArguments = (name: string, ...more: readonly string[]): readonly string[] => [
    ...["vm", "create", name, "--image", "registry.example/os:1", "--kernel", "registry.example/kernel:1"],
    ...["--network", "tap", "--label", "role=web", ...more],
  ];

  async function created(name: string, namespace = "default"): Promise<string> {
    const { code, stderr } = await lm([...createArguments(name), "-n", namespace]);
    assert.equal(code, 0, stderr);
    const record = [...fake.application.records.values()].find(
      (each) => each.spec.name === name && each.spec.namespace === namespace,
    );
    assert.ok(record !== undefined);
    return record.uid;
  }

  function become(uid: string, phase: "running" | "failed" | "stopped", ready = false): void {
    const record = fake.application.records.get(uid);
    assert.ok(record !== undefined);
    fake.application.put(
      {
        ...record,
        phase,
        version: record.version + 1,
        reason: phase === "failed" ? "ImageNotFound" : "",
        message: phase === "failed" ? "the image is nowhere" : "",
        guest: { ...record.guest, ready, addresses: ready ? ["10.1.2.3"] : [] },
      },
      "Test",
    );
  }

  test("create, list, get, describe: data on standard output, the documented objects", async () => {
    const made = await lm([...createArguments("web"), "-o", "json"]);
    assert.equal(made.code, 0, made.stderr);
    const [uid = ""] = [...fake.application.records.keys()];
    become(uid, "running", true);
    const object: Record<string, unknown> = JSON.parse((await lm(["vm", "get", "web", "-o", "json"])).stdout);
    for (const [key, value] of Object.entries({
      namespace: "default",
      name: "web",
      uid,
      phase: "running",
      ready: true,
    })) {
      assert.equal(object[key], value, key);
    }
    assert.deepEqual(object["addresses"], ["10.1.2.3"]);
    const list: unknown = JSON.parse((await lm(["vm", "list", "-o", "json"])).stdout);
    assert.deepEqual(list, [object]);
    const table = await lm(["vm", "list"]);
    assert.match(table.stdout, /^NAME +PHASE +READY +ADDRESS/);
    assert.match(table.stdout, /^web +running +yes +10\.1\.2\.3/m);
    assert.equal(table.stderr, "");
    assert.equal((await lm(["vm", "list", "-o", "name"])).stdout, "default/web\n");
    assert.match((await lm(["vm", "list", "-o", "yaml"])).stdout, /^- namespace: default\n {2}name: web/);
    assert.match((await lm(["vm", "describe", uid])).stdout, /^Labels: +role=web$/m);
  });

  test("an empty list is an empty array, and a remark on standard error", async () => {
    assert.deepEqual(await lm(["vm", "list", "-o", "json"]), { code: 0, stdout: "[]\n", stderr: "" });
    const { stdout, stderr } = await lm(["vm", "list"]);
    assert.equal(stdout, "");
    assert.match(stderr, /No microVMs in namespace default/);
    assert.deepEqual(await lm(["vm", "list", "-q"]), { code: 0, stdout: "", stderr: "" });
  });

  test("namespaces, selectors, ambiguous names", async () => {
    await created("web", "a");
    await created("web", "b");
    assert.equal((await lm(["vm", "list", "-A", "-o", "name"])).stdout, "a/web\nb/web\n");
    assert.equal((await lm(["vm", "list", "-n", "a", "-o", "name"])).stdout, "a/web\n");
    assert.equal((await lm(["vm", "list", "-A", "-l", "role!=web", "-o", "name"])).stdout, "");
    const ambiguous = await lm(["vm", "get", "web"]);
    assert.equal(ambiguous.code, 2);
    assert.match(ambiguous.stderr, /a\/web, b\/web/);
    assert.equal((await lm(["vm", "get", "b/web", "-o", "name"])).stdout, "b/web\n");
  });

  test("exit codes and errors: what, why, what to do", async () => {
    await created("web");
    const missing = await lm(["vm", "get", "wbe"]);
    assert.equal(missing.code, 3);
    assert.equal(missing.stdout, "");
    assert.match(missing.stderr, /^error: there is no microVM 'wbe'\nhint: {2}did you mean 'web'\?/);
    assert.equal((await lm(["vm", "gte", "web"])).code, 2);
    assert.equal((await lm(["vm", "get"])).code, 2);
    assert.equal((await lm(["vm", "create", "bad name!", "--kernel", "k:1", "--image", "o:1"])).code, 2);
    assert.equal((await lm([...createArguments("web"), "--vcpu", "3"])).code, 4);
    const unreachable = await lm(["vm", "list"], { host: "127.0.0.1:1" });
    assert.equal(unreachable.code, 1);
    assert.match(unreachable.stderr, /^error: the host at 127\.0\.0\.1:1 cannot be reached\ncause: .*\nhint: /);
    const nobody = await lm(["vm", "list"], { env: { LM_HOST: "" } });
    assert.match(nobody.stderr, /lm up/);
  });

  test("a wrong token is exit code 6, a right one opens", async () => {
    await using guarded = await startFakeHost({ token: "secret" });
    assert.equal((await lm(["vm", "list"], { host: guarded.grpc })).code, 6);
    assert.equal((await lm(["vm", "list"], { host: guarded.grpc, env: { LM_TOKEN: "secret" } })).code, 0);
    const path = join(directory, "token");
    await writeFile(path, "secret\n");
    await lm(["context", "set", "guarded", "--host", guarded.grpc, "--token-file", path]);
    assert.equal((await lm(["vm", "list", "--context", "guarded"])).code, 0);
    assert.match((await lm(["context", "list"])).stdout, /guarded/);
    assert.equal((await lm(["context", "remove", "guarded"])).code, 0);
  });

  test("waits by watching: ready, failed, too late", async () => {
    const pending = lm([...createArguments("web"), "--wait", "-o", "json"]);
    const uid = await appeared("web");
    become(uid, "running");
    become(uid, "running", true);
    const { code, stdout, stderr } = await pending;
    assert.equal(code, 0, stderr);
    const shown: { readonly ready: boolean } = JSON.parse(stdout);
    assert.equal(shown.ready, true);
    assert.match(stderr, /✓ Waiting until the guest is ready/);
    const failing = lm([...createArguments("bad"), "--wait"]);
    become(await appeared("bad"), "failed");
    const failed = await failing;
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /failed: the image is nowhere/);
    const late = await lm([...createArguments("late"), "--wait=running", "--timeout", "300ms"]);
    assert.equal(late.code, 5);
    assert.match(late.stderr, /it is pending/);
  });

  async function appeared(name: string): Promise<string> {
    const deadline = AbortSignal.timeout(10_000);
    const changes = fake.application.changes({ signal: deadline });
    const found = (): string | undefined =>
      [...fake.application.records.values()].find((record) => record.spec.name === name)?.uid;
    const already = found();
    if (already !== undefined) return already;
    for await (const _change of changes) {
      const uid = found();
      if (uid !== undefined) return uid;
    }
    throw new Error(`${name} was not created`);
  }

  test("verbs and delete", async () => {
    await created("web");
    await created("db");
    assert.match((await lm(["vm", "start", "web"])).stdout, /running/);
    assert.match((await lm(["vm", "pause", "web"])).stdout, /paused/);
    assert.match((await lm(["vm", "stop", "web", "db"])).stdout, /web +stopped[\s\S]*db +stopped/);
    assert.equal((await lm(["vm", "stop", "web", "nope"])).code, 3);
    const refused = await lm(["vm", "delete", "--all", "-n", "default"], { stdin: "" });
    assert.equal(refused.code, 2);
    assert.equal(fake.application.records.size, 2);
    assert.deepEqual((await lm(["vm", "delete", "web"])).stdout, "default/web\n");
    assert.equal((await lm(["vm", "delete", "--all", "-n", "default", "--yes"])).code, 0);
    assert.equal(fake.application.records.size, 0);
    assert.equal((await lm(["vm", "delete", "web"])).code, 3);
    assert.equal((await lm(["vm", "delete", "web", "--ignore-not-found"])).code, 0);
  });

  test("a spec from standard input; --dry-run creates nothing; secrets are not shown", async () => {
    const spec =
      "id: piped\nkernel: {image: registry.example/kernel:1}\nroot_volume: {id: root, source: {container_source: registry.example/os:1}}\nmetadata: {user-data: c2VjcmV0}\n";
    const dry = await lm(["vm", "create", "-f", "-", "--memory", "1G", "--dry-run", "-o", "json"], { stdin: spec });
    assert.equal(dry.code, 0, dry.stderr);
    const printed: { readonly memoryInMb: number; readonly namespace: string } = JSON.parse(dry.stdout);
    assert.equal(printed.memoryInMb, 1_024);
    assert.equal(printed.namespace, "default");
    assert.equal(fake.application.records.size, 0);
    assert.equal((await lm(["vm", "create", "-f", "-"], { stdin: spec })).code, 0);
    const shown = await lm(["vm", "get", "piped", "-o", "json"]);
    assert.doesNotMatch(shown.stdout, /c2VjcmV0|secret/);
    assert.match(shown.stdout, /"user-data": "\(6 bytes\)"/);
    const slip = await lm(["vm", "create", "-f", "-"], { stdin: "memory_in_bm: 3" });
    assert.equal(slip.code, 2);
    assert.match(slip.stderr, /did you mean 'memory_in_mb'/);
  });

  test("logs, and a console without a terminal", async () => {
    const uid = await created("web");
    become(uid, "running");
    const path = join(directory, "console.log");
    await writeFile(path, "one\ntwo\nthree\n");
    fake.application.logs = { console: [path], vmm: [] };
    assert.equal((await lm(["vm", "logs", "web", "--tail", "2"])).stdout, "two\nthree\n");
    const console = await lm(["vm", "console", "web", "--timeout", "10s"], {
      stdin: "uptime\n",
      onOutput: (child, text) => {
        if (text.includes("uptime")) child.kill("SIGINT");
      },
    });
    assert.equal(console.code, 130);
    assert.match(console.stdout, /uptime/);
  });

  test("Ctrl-C ends a watch with 130; a reader that leaves is no error", async () => {
    await created("web");
    const watching = await lm(["vm", "list", "--watch", "-o", "json"], {
      onOutput: (child, text) => {
        if (text.includes("\n")) child.kill("SIGINT");
      },
    });
    assert.equal(watching.code, 130);
    assert.equal(watching.stderr, "interrupted\n");
    const piped = await lm(["vm", "list", "--watch", "-o", "json"], {
      onOutput: (child, text) => {
        if (!text.includes("\n") || child.stdout?.destroyed === true) return;
        child.stdout?.destroy();
        const [uid = ""] = [...fake.application.records.keys()];
        become(uid, "running");
      },
    });
    assert.equal(piped.code, 0);
    assert.equal(piped.stderr, "");
  });

  test("the doctor's findings, as data", async () => {
    const { stdout } = await lm(["doctor", "--probe=false", "-o", "json"]);
    const found: readonly Readonly<Record<string, string>>[] = JSON.parse(stdout);
    assert.equal(new Set(found.map((finding) => finding["id"])).size, found.length);
    for (const finding of found) {
      assert.deepEqual(Object.keys(finding), ["id", "title", "status", "detail", "remedy"]);
      assert.match(finding["status"] ?? "", /^(ok|info|warn|fail)$/);
      if (finding["status"] === "fail" || finding["status"] === "warn")
        assert.notEqual(finding["remedy"], "", finding["id"]);
    }
    for (const id of [
      "machine.kernel",
      "accelerator",
      "program.containerd",
      "network.tap",
      "storage.space",
      "machine.cgroups",
    ]) {
      assert.ok(
        found.some((finding) => finding["id"] === id),
        id,
      );
    }
  });

  test("host, images, version, help, completion", async () => {
    const host: { readonly hypervisors: readonly unknown[] } = JSON.parse(
      (await lm(["host", "get", "-o", "json"])).stdout,
    );
    assert.ok(Array.isArray(host.hypervisors));
    assert.equal((await lm(["image", "list", "-o", "json"])).code, 0);
    assert.equal((await lm(["image", "inspect", "registry.example/none:1"])).code, 3);
    const version: { readonly client: { readonly version: string }; readonly host: unknown } = JSON.parse(
      (await lm(["version", "-o", "json"])).stdout,
    );
    assert.match(version.client.version, /^\d+\.\d+\.\d+/);
    assert.notEqual(version.host, null);
    assert.match((await lm(["vm", "create", "--help"])).stdout, /--ssh-key/);
    const bare = await lm([]);
    assert.equal(bare.code, 2);
    assert.equal(bare.stdout, "");
    assert.match((await lm(["completion", "bash"])).stdout, /complete -o default -F _lm lm/);
  });
});
