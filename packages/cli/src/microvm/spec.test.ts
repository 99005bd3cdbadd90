import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NetworkInterface_IfaceType } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import { command } from "../commands/vm/create.ts";
import { bindValues, parseCommandLine } from "../program/parse.ts";
import { parseLabelSelector } from "./label-selector.ts";
import { parseSpec } from "./spec-file.ts";
import { parseNetwork, parseVolume, specFromFlags } from "./spec-from-flags.ts";
import { parseTarget } from "./target.ts";
import { publicKeys, userDataWith } from "./user-data.ts";

const refused =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof PlatformError && error.kind === "invalid" && pattern.test(`${error.message} ${error.remedy}`);

function fromFlags(line: string, file?: Awaited<ReturnType<typeof parseSpec>>) {
  const { flags, positionals } = parseCommandLine(
    command,
    bindValues(
      command,
      line.split(" ").filter((word) => word !== ""),
    ),
  );
  return specFromFlags(flags, { file, name: positionals[0], namespace: "default", metadata: {} });
}

describe("spec from flags", () => {
  test("everything that people expect", () => {
    const spec = fromFlags(
      "web -n prod --image os:1 --kernel k:1 --kernel-file boot/vmlinux --initrd-file boot/initrd --vcpu 2 --memory 2G --disk 4G --label a=b --cmdline quiet --cmdline x=1 --provider qemu --network tap",
    );
    assert.equal(spec.id, "web");
    assert.equal(spec.namespace, "prod");
    assert.equal(spec.memoryInMb, 2_048);
    assert.equal(spec.rootVolume?.sizeInMb, 4_096);
    assert.equal(spec.rootVolume?.source?.containerSource, "os:1");
    assert.deepEqual(spec.kernel?.cmdline, { quiet: "", x: "1" });
    assert.equal(spec.initrd?.image, "k:1");
    assert.deepEqual(spec.labels, { a: "b" });
    assert.equal(spec.interfaces[0]?.deviceId, "eth1");
    assert.equal(spec.interfaces[0]?.type, NetworkInterface_IfaceType.TAP);
  });

  test("flags override the file, and keep what they do not name", async () => {
    const file = await parseSpec(
      "id: web\nnamespace: ns1\nvcpu: 4\nmemory_in_mb: 512\nkernel: {image: k:1, cmdline: {a: b}}\nroot_volume: {id: disk, source: {container_source: os:1}}\n",
      "spec.yaml",
    );
    const spec = fromFlags("other --memory 1G --cmdline c=d --disk 2G", file);
    assert.equal(spec.id, "other");
    assert.equal(spec.namespace, "ns1");
    assert.equal(spec.vcpu, 4);
    assert.equal(spec.memoryInMb, 1_024);
    assert.deepEqual(spec.kernel?.cmdline, { a: "b", c: "d" });
    assert.equal(spec.rootVolume?.id, "disk");
    assert.equal(spec.rootVolume?.source?.containerSource, "os:1");
    assert.equal(spec.rootVolume?.sizeInMb, 2_048);
  });

  test("what cannot be is told", () => {
    assert.throws(() => fromFlags("--kernel k:1"), refused(/needs a name/));
    assert.throws(() => fromFlags("web"), refused(/needs a kernel/));
    assert.throws(() => fromFlags("web --kernel k:1 --disk 1G"), refused(/--image/));
    assert.throws(() => fromFlags("web --kernel k:1 --memory lots"), refused(/not a size/));
    assert.throws(() => fromFlags("web --kernel k:1 --vcpu 0"), refused(/from 1/));
  });

  test("networks", () => {
    const overridden = parseNetwork("tap:bridge=br0,mac=02:00:00:00:00:01", 0);
    assert.deepEqual(overridden.overrides, { bridgeName: "br0" });
    assert.equal(overridden.guestMac, "02:00:00:00:00:01");
    const fixed = parseNetwork("static=10.0.0.2/24,gateway=10.0.0.1,dns=1.1.1.1+9.9.9.9", 1);
    assert.deepEqual(fixed.address, {
      address: "10.0.0.2/24",
      gateway: "10.0.0.1/24",
      nameservers: ["1.1.1.1", "9.9.9.9"],
    });
    assert.equal(fixed.deviceId, "eth2");
    assert.equal(parseNetwork("macvtap", 0).type, NetworkInterface_IfaceType.MACVTAP);
    assert.throws(() => parseNetwork("tap:brige=br0", 0), refused(/unknown 'brige'/));
    assert.throws(() => parseNetwork("static=10.0.0.2", 0), refused(/CIDR/));
    assert.throws(() => parseNetwork("tap:gateway=10.0.0.1", 0), refused(/address/));
    assert.throws(() => parseNetwork("bridge", 0), refused(/needs a value/));
  });

  test("volumes", () => {
    assert.deepEqual(parseVolume("name=data,image=d:1,size=1G,mount=/data,ro"), {
      id: "data",
      isReadOnly: true,
      source: { containerSource: "d:1" },
      sizeInMb: 1_024,
      mountPoint: "/data",
    });
    assert.throws(() => parseVolume("image=d:1"), refused(/name=/));
    assert.throws(() => parseVolume("name=a"), refused(/image=/));
    assert.throws(() => parseVolume("name=a,image=x,virtiofs=/y"), refused(/image=… or virtiofs=/));
  });
});

describe("spec from a file", () => {
  test("camelCase, JSON, the body of a request, and numbers where text is wanted", async () => {
    const text = JSON.stringify({
      microvm: { id: "a", memoryInMb: 64, labels: { on: true, n: 1 }, interfaces: [{ deviceId: "eth1", type: "tap" }] },
    });
    const spec = await parseSpec(text, "x.json");
    assert.equal(spec.memoryInMb, 64);
    assert.deepEqual(spec.labels, { on: "true", n: "1" });
    assert.equal(spec.interfaces[0]?.type, NetworkInterface_IfaceType.TAP);
  });

  const wrong: readonly [string, RegExp][] = [
    ["memory_in_bm: 5", /unknown field 'memory_in_bm'; did you mean 'memory_in_mb'/],
    ["root_volume: {sorce: {}}", /unknown field 'root_volume.sorce'; did you mean 'source'/],
    ["interfaces: [{device_id: a}, {devic_id: b}]", /interfaces\[1\]\.devic_id/],
    ["vcpu: many", /vcpu/],
    ["- a", /must be a mapping/],
    ["a: [", /x\.yaml/],
    ["vcpu: 1\nvcpu: 2", /unique/],
    ["memory_in_mb: 1\nmemoryInMb: 2", /two spellings/],
    ["a: 1\n---\nb: 2", /exactly one/],
    ["", /exactly one|mapping/],
  ];
  for (const [text, pattern] of wrong) {
    test(JSON.stringify(text), async () => assert.rejects(parseSpec(text, "x.yaml"), refused(pattern)));
  }
});

describe("user data", () => {
  const key = `ssh-ed25519 ${"A".repeat(68)} me@here`;

  test("a key alone makes a cloud-config", async () => {
    const text = (await userDataWith(undefined, [key])) ?? "";
    assert.match(text, /^#cloud-config\n/);
    assert.ok(text.includes(key));
  });

  test("a key joins those of a cloud-config, whose comments stay", async () => {
    const text = (await userDataWith("#cloud-config\n# mine\nssh_authorized_keys: [old]\nruncmd: [ls]\n", [key])) ?? "";
    assert.match(text, /^#cloud-config/);
    assert.match(text, /# mine/);
    assert.match(text, /old/);
    assert.ok(text.includes(key));
    assert.match(text, /runcmd/);
  });

  test("a script takes no key", async () => {
    await assert.rejects(userDataWith("#!/bin/sh\n", [key]), refused(/cloud-config/));
    assert.equal(await userDataWith("#!/bin/sh\n", []), "#!/bin/sh\n");
  });

  test("a private key is refused and not shown", () => {
    const secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nhidden\n";
    assert.throws(
      () => publicKeys(secret, "id"),
      (error: unknown) => refused(/private key/)(error) && !String(error).includes("hidden"),
    );
    assert.deepEqual(publicKeys(`# a\n${key}\n\n`, "f"), [key]);
    assert.throws(() => publicKeys("hello", "f"), refused(/not an ssh public key/));
  });
});

describe("label selectors", () => {
  const rows: readonly [string, Readonly<Record<string, string>>, boolean][] = [
    ["", {}, true],
    ["a=b", { a: "b" }, true],
    ["a==b", { a: "c" }, false],
    ["a!=b", {}, true],
    ["a in (b,c), d", { a: "c", d: "" }, true],
    ["a in (b,c),d", { a: "c" }, false],
    ["a notin (b)", { a: "b" }, false],
    ["!a", { b: "c" }, true],
    ["a", { a: "" }, true],
    ["toString", {}, false],
  ];
  for (const [text, labels, expected] of rows) {
    test(`${text} on ${JSON.stringify(labels)}`, () => assert.equal(parseLabelSelector(text)(labels), expected));
  }
  test("nonsense", () => assert.throws(() => parseLabelSelector("a=b,=c"), refused(/no label requirement/)));
});

describe("names", () => {
  test("forms", () => {
    assert.deepEqual(parseTarget("web", undefined), { namespace: undefined, name: "web" });
    assert.deepEqual(parseTarget("ns/web", undefined), { namespace: "ns", name: "web" });
    assert.throws(() => parseTarget("a/b/c", undefined), refused(/NAMESPACE\/NAME/));
    assert.throws(() => parseTarget("ns/web", "other"), refused(/contradict/));
    assert.throws(() => parseTarget("", undefined), refused(/not a microVM/));
  });
});
