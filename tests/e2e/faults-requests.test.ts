/** Bad input, sent to a real flintlockd over gRPC: each is refused with a code and a text that names the culprit, and nothing is kept of it. */
import assert from "node:assert/strict";
import { cpus, totalmem } from "node:os";
import { after, before, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { assertConsistent } from "./world/host-truth.ts";
import type { Microvms, SpecInit } from "./world/microvms.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World } from "./world/world.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Refusal {
  readonly what: string;
  readonly change: Partial<SpecInit>;
  readonly code: string;
  readonly text: RegExp;
}

const nic = (deviceId: string): NonNullable<SpecInit["interfaces"]>[number] => ({ deviceId, type: 1 });
const image = "registry.example/image:1";

const refusals: readonly Refusal[] = [
  { what: "no kernel", change: { kernel: { image: "" } }, code: "SPEC_INVALID", text: /kernel/ },
  {
    what: "no root volume and no initrd",
    change: { rootVolume: undefined, initrd: undefined },
    code: "SPEC_INVALID",
    text: /root_volume/,
  },
  {
    what: "a root volume of nothing",
    change: { rootVolume: { id: "root" } },
    code: "SPEC_INVALID",
    text: /root_volume/,
  },
  {
    what: "two interfaces of one name",
    change: { interfaces: [nic("eth0"), nic("eth0")] },
    code: "SPEC_INVALID",
    text: /interfaces\[1\].*eth0/s,
  },
  ...["a/b", "..", 'quo"te', "nul\0byte", "x".repeat(300)].map((id) => ({
    what: `the id ${JSON.stringify(id.slice(0, 12))}`,
    change: { id },
    code: "SPEC_INVALID",
    text: /id: /,
  })),
  ...["a/b", "..", "nul\0byte", "x".repeat(300)].map((namespace) => ({
    what: `the namespace ${JSON.stringify(namespace.slice(0, 12))}`,
    change: { namespace },
    code: "SPEC_INVALID",
    text: /namespace: /,
  })),
  { what: "a negative vcpu", change: { vcpu: -2 }, code: "SPEC_INVALID", text: /vcpu/ },
  { what: "65 vcpu", change: { vcpu: 65 }, code: "SPEC_INVALID", text: /vcpu/ },
  {
    what: "more vcpu than the host has",
    change: { vcpu: cpus().length + 1 },
    code: "CAPACITY_EXCEEDED",
    text: new RegExp(`${cpus().length + 1} vCPUs are more than the ${cpus().length} processors`),
  },
  { what: "a negative memory", change: { memoryInMb: -1 }, code: "SPEC_INVALID", text: /memory/ },
  {
    what: "more memory than the host has",
    change: { memoryInMb: Math.ceil(totalmem() / 2 ** 20) + 1 },
    code: "CAPACITY_EXCEEDED",
    text: /MiB of memory do not fit: \d+ of \d+ are free/,
  },
  { what: "an unknown provider", change: { provider: "vmware" }, code: "PROVIDER_UNKNOWN", text: /vmware/ },
  {
    what: "metadata that is no base64",
    change: { metadata: { "user-data": "%%% secret %%%" } },
    code: "SPEC_INVALID",
    text: /user-data.*base64/s,
  },
  {
    what: "10 MB of metadata",
    change: { metadata: { "user-data": base64("x".repeat(10_000_000)) } },
    code: "SPEC_INVALID",
    text: /metadata.*1048576|metadata.*1 MiB|metadata.*byte/is,
  },
  {
    what: "a kernel file outside of its image",
    change: { kernel: { image, filename: "../../etc/shadow" } },
    code: "SPEC_INVALID",
    text: /kernel\.filename/,
  },
  {
    what: "something that is no image reference",
    change: { kernel: { image: "Not An Image" } },
    code: "SPEC_INVALID",
    text: /kernel\.image/,
  },
];

describe("a request", { timeout: 120_000, skip: missingForWorld() ?? false }, () => {
  let world: World;
  let microvms: Microvms;
  before(async () => {
    world = await World.open({ fake: true });
    await world.start();
    await world.importImages();
    microvms = await world.microvms();
  });
  after(async () => await world[Symbol.asyncDispose]());

  for (const { what, change, code, text } of refusals) {
    test(`with ${what} is refused: ${code}`, async () => {
      await assert.rejects(microvms.create(guestSpec(world, "refused", change)), (error) => {
        assert.ok(error instanceof PlatformError);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, text);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
      assert.deepEqual(await microvms.list(), []);
    });
  }

  test("without vcpu and memory gets the defaults, as 0 cannot be told from nothing; an odd vcpu is fine", async () => {
    for (const [id, change] of [
      ["zero", { vcpu: 0, memoryInMb: 0 }],
      ["odd", { vcpu: 1 }],
    ] as const) {
      const uid = await microvms.create(guestSpec(world, id, change));
      await microvms.ready(uid);
      await microvms.delete(uid);
    }
    await assertConsistent(world);
  });

  test("that repeats another returns the same microVM; one that differs names the difference", async () => {
    const uid = await microvms.create(guestSpec(world, "same"));
    assert.equal(await microvms.create(guestSpec(world, "same")), uid);
    await assert.rejects(microvms.create(guestSpec(world, "same", { memoryInMb: 256 })), (error) => {
      assert.ok(error instanceof PlatformError);
      assert.equal(error.code, "MICROVM_EXISTS");
      assert.match(error.message, /memory/);
      return true;
    });
    await microvms.delete(uid);
    await assertConsistent(world);
  });
});
