/** `lm up` in its variants, in a network of its own: what is configured, what survives which death, what is left at the end. */
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TestAuthority } from "../assets/certificates.ts";
import { containerd1, containerd2Binary, containerd2Cached, PrivateContainerd } from "../assets/containerd.ts";
import { kill, PlatformWorld, platformSkip } from "./platform-world.ts";

interface MicroVm {
  readonly name: string;
  readonly ready: boolean;
  readonly phase: string;
}

describe("lm up", { skip: platformSkip, timeout: 200_000 }, () => {
  let world: PlatformWorld;

  before(async () => {
    world = new PlatformWorld({ isolated: true });
    await world.ok(["up", "--netns=false", "--subnet", "10.77.0.0/24", "--http-endpoint", "127.0.0.1:8090"]);
    const { kernel, root } = await world.importImages();
    const flags = ["--kernel", kernel, "--image", root, "--vcpu", "1", "--memory", "128M", "--network", "tap"];
    await world.ok(["vm", "create", "one", ...flags, "--ssh-key", "platform", "--wait", "--timeout", "90s"]);
    await world.ok(["vm", "create", "off", ...flags, "--wait=running"]);
    await world.ok(["vm", "stop", "off", "--force"]);
  });
  after(async () => {
    const devices = (): string => world.inNetwork("ip", "-br", "link");
    await world?.ok(["down", "--delete", "--yes"]);
    assert.match(devices(), /^lo [^\n]*\n$/);
    assert.ok(!existsSync(world.stateDirectory) && !existsSync(world.runDirectory));
    assert.deepEqual(world.processes(), []);
    await world?.[Symbol.asyncDispose]();
  });

  const pid = async (part: string): Promise<number> => {
    const found = (await world.parts()).get(part)?.pid;
    assert.ok(found !== undefined && found !== null, part);
    return found;
  };
  const bootId = async (): Promise<string> =>
    (await world.ok(["vm", "ssh", "one", "--", "cat /proc/sys/kernel/random/boot_id"])).trim();
  const oneIsReady = async (): Promise<boolean> => (await world.json<MicroVm>("vm", "get", "one")).ready;

  test("the subnet, the gateway over HTTP, egress by NAT; the guest does not notice", async () => {
    const before = await bootId();
    const get = "process.stdout.write(await (await fetch('http://127.0.0.1:8090/v1alpha1/microvm/default')).text())";
    const answer = JSON.parse(world.inNetwork(process.execPath, "--input-type=module", "-e", get)) as {
      readonly microvm: readonly { readonly spec: { readonly id: string } }[];
    };
    assert.deepEqual(answer.microvm.map((each) => each.spec.id).sort(), ["off", "one"]);
    assert.doesNotMatch(world.inNetwork("nft", "list", "ruleset"), /masquerade/);
    await world.ok(["up", "--egress", "--http-endpoint", ""]);
    assert.match(world.inNetwork("nft", "list", "ruleset"), /ip saddr 10\.77\.0\.0\/24 .*masquerade/);
    const routes = await world.ok(["vm", "ssh", "one", "--", "ip route; cat /etc/resolv.conf"]);
    assert.match(routes, /default via 10\.77\.0\.1 /);
    assert.match(routes, /nameserver 10\.77\.0\.1/);
    assert.equal(await bootId(), before);
  });

  test("what cannot work is refused, and what did not come up is not remembered", async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["--subnet", "10.77.0.0/33"], /\/16 to \/29/],
      [["--grpc-endpoint", "0.0.0.0:9090"], /plain text/],
      [["--http-endpoint", "nonsense"], /HOST:PORT/],
      [["--provider", "nope"], /there is no hypervisor/],
      [["--set", "state-dir=/x"], /decided by the platform/],
    ];
    const agent = await pid("flintlockd");
    for (const [flags, text] of cases) {
      const outcome = await world.lm(["up", ...flags]);
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.match(outcome.stderr, text);
    }
    assert.equal(await pid("flintlockd"), agent, "nothing was restarted");
    const failed = await world.lm(["up", "--set", "overcommit-vcpu=nonsense"]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /overcommit-vcpu: must be a number/);
    await world.ok(["up"]);
  });

  test("TLS and a token: by flags and by context, and every way to be wrong", async () => {
    using authority = new TestAuthority();
    using stranger = new TestAuthority();
    const [good, late] = [authority.issue("good"), authority.issue("late", "expired")];
    const served = (cert: { readonly certPath: string; readonly keyPath: string }): Promise<string> =>
      world.ok([
        ...["up", "--grpc-endpoint", "127.0.0.1:9090", "--set", "basic-auth-token=sesame"],
        ...["--set", `tls-cert=${cert.certPath}`, "--set", `tls-key=${cert.keyPath}`],
      ]);
    await served(good);
    const [token, wrong] = [join(world.directory, "token"), join(world.directory, "wrong")];
    writeFileSync(token, "sesame\n");
    writeFileSync(wrong, "open\n");
    const at = (ca: string, file: string): readonly string[] => {
      const host = ["--host", "grpcs://localhost:9090", "--tls-ca", ca, "--token-file", file];
      return ["host", "get", "-o", "name", ...host];
    };
    await world.ok(at(authority.caPath, token));
    await world.ok(["vm", "list"]);
    const denied = await world.lm(at(authority.caPath, wrong));
    assert.equal(denied.code, 6);
    assert.match(denied.stderr, /--token-file/);
    const unknown = await world.lm(at(stranger.caPath, token));
    assert.match(unknown.stderr, /--tls-ca/);
    const plain = await world.lm(["host", "get", "--host", "grpc://localhost:9090"]);
    assert.match(plain.stderr, /grpcs:\/\/localhost:9090/);
    await world.ok(["context", "set", "far", ...at(authority.caPath, token).slice(4), "--use"]);
    assert.match(await world.ok(["host", "get"]), /Hypervisor|HYPERVISOR/);
    await world.ok(["context", "use", "-"]);
    await served(late);
    const expired = await world.lm(at(authority.caPath, token));
    assert.match(expired.stderr, /expired[\s\S]*renew the certificate/);
    const reset = ["tls-cert=", "tls-key=", "basic-auth-token="].flatMap((each) => ["--set", each]);
    await world.ok(["up", "--grpc-endpoint", "", ...reset]);
  });

  test("every part may be killed; the guest runs on", async () => {
    const before = await bootId();
    for (const part of ["flintlockd", "containerd"]) {
      const killed = await pid(part);
      kill(killed);
      await world.until(`${part} is back`, async () => {
        const now = (await world.parts()).get(part);
        return now?.healthy === true && now.pid !== killed;
      });
    }
    kill(await pid("supervisor"));
    const status = await world.lm(["status"]);
    assert.equal(status.code, 1);
    assert.match(status.stdout, /unsupervised/);
    const agent = await pid("flintlockd");
    await world.ok(["up"]);
    assert.equal(await pid("flintlockd"), agent, "it was taken over");
    await world.until("the guest is ready", oneIsReady);
    assert.equal(await bootId(), before);
  });

  test("down and up brings back who ran; so does a reboot of the machine", async () => {
    await world.ok(["down"]);
    assert.deepEqual(world.processes(), []);
    assert.equal((await world.lm(["status"])).code, 1);
    assert.match((await world.lm(["vm", "list"])).stderr, /lm up/);
    await world.ok(["up"]);
    await world.until("the guest is ready", oneIsReady);
    const before = await bootId();
    // The power fails: every process, every socket and the network are gone; the data is not.
    for (const each of await world.parts()) if (each[1].pid !== null) kill(each[1].pid);
    for (const each of world.processes()) kill(each);
    rmSync(world.runDirectory, { recursive: true, force: true });
    for (const device of world.inNetwork("ip", "-br", "link").matchAll(/^(lm[a-z]+[0-9a-f]+)/gm)) {
      world.inNetwork("ip", "link", "del", device[1] ?? "");
    }
    await world.ok(["up"]);
    await world.until("the guest is ready", oneIsReady);
    assert.notEqual(await bootId(), before);
    assert.equal((await world.json<MicroVm>("vm", "get", "off")).phase, "stopped");
  });
});

const second = (await containerd2Cached()) ? await containerd2Binary() : { skip: "containerd 2.x is not compiled yet" };
const first = await containerd1();

for (const [title, program, shared] of [
  ["a private containerd 2.x", second, false],
  ["a containerd that runs already", first, true],
] as const) {
  const skip = platformSkip || (typeof program === "string" ? false : program.skip);
  test(`lm up with ${title}`, { skip, timeout: 90_000 }, async () => {
    await using world = new PlatformWorld({ isolated: true });
    const directory = join(world.directory, "containerd");
    const daemon = new PrivateContainerd({ program: String(program), major: 1, directory });
    if (shared) await daemon.start();
    try {
      const flags = shared ? ["--containerd-socket", daemon.address] : ["--containerd", String(program)];
      await world.ok(["up", "--netns=false", ...flags]);
      const { kernel, root } = await world.importImages();
      const spec = ["--kernel", kernel, "--image", root, "--vcpu", "1", "--memory", "128M"];
      await world.ok(["vm", "create", "one", ...spec, "--wait", "--timeout", "60s"]);
      assert.equal((await world.parts()).get("containerd")?.state, shared ? "external" : "ready");
      await world.ok(["down", "--delete", "--yes"]);
    } finally {
      await daemon.kill("SIGTERM");
    }
  });
}
