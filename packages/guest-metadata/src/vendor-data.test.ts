import assert from "node:assert/strict";
import { test } from "node:test";
import type { Volume } from "@liquidmetal/microvm";
import { parse } from "yaml";
import { made, spec } from "./testing/seed-request.ts";
import { cloudConfig, vendorData } from "./vendor-data.ts";
import { blockName, volumeMounts } from "./volume-mounts.ts";

const block = (id: string, mountPoint?: string, readOnly = false): Volume => ({
  id,
  readOnly,
  source: { kind: "image", image: "data:1" },
  ...(mountPoint === undefined ? {} : { mountPoint }),
});
const share = (id: string, mountPoint: string): Volume => ({
  id,
  readOnly: false,
  mountPoint,
  source: { kind: "virtiofs", path: "/srv" },
});

test("letters count block volumes only, root first; shares go by tag", () => {
  const volumes = [
    share("s1", "/mnt/a"),
    block("d1", "/mnt/b"),
    block("quiet"),
    share("s2", "/mnt/c"),
    block("d2", "/mnt/d", true),
  ];
  assert.deepEqual(
    volumeMounts(spec({ additionalVolumes: volumes })).map(({ source, mountPoint }) => `${source} ${mountPoint}`),
    ["user /mnt/a", "/dev/vdb /mnt/b", "s2 /mnt/c", "/dev/vdd /mnt/d"],
  );
  const { rootVolume: _, ...rootless } = spec({ additionalVolumes: [block("d1", "/mnt/b")] });
  assert.equal(volumeMounts(rootless)[0]?.source, "/dev/vda");
});

test("the 27th disk is vdaa", () => {
  assert.deepEqual([0, 25, 26, 51, 52, 701, 702].map(blockName), [
    "vda",
    "vdz",
    "vdaa",
    "vdaz",
    "vdba",
    "vdzz",
    "vdaaa",
  ]);
});

test("mounts in upstream's form, with its default fields", () => {
  const mounts = volumeMounts(spec({ additionalVolumes: [block("d1", "/data"), block("d2", "/ro", true)] }));
  const config = parse(cloudConfig(mounts, undefined), { version: "1.1" }) as unknown;
  assert.deepEqual(config, {
    mounts: [
      ["vdb", "/data"],
      ["vdc", "/ro", "auto", "ro,nofail", "0", "2"],
    ],
    mount_default_fields: [null, null, "auto", "defaults,nofail", "0", "2"],
  });
});

test("a user's cloud-config keeps its keys, and its own word on a device", () => {
  const mounts = volumeMounts(spec({ additionalVolumes: [block("d1", "/data"), block("d2", "/more")] }));
  const given = "#cloud-config\nmounts: [[/dev/vdb, /mine]]\nmanage_etc_hosts: true\n";
  const config = parse(cloudConfig(mounts, given), { version: "1.1" }) as Record<string, unknown>;
  assert.deepEqual(config["mounts"], [
    ["/dev/vdb", "/mine"],
    ["vdc", "/more"],
  ]);
  assert.equal(config["manage_etc_hosts"], true);
});

test("parts: the user's, ours, and the readiness hook, each of its kind", () => {
  const withMount = spec({ additionalVolumes: [block("d1", "/data")] });
  const kinds = (text: string): string[] =>
    [...text.matchAll(/^Content-Type: ([^;\n]+)/gm)].map(([, kind]) => kind ?? "");
  assert.deepEqual(kinds(vendorData(spec(), [made()], undefined)), ["multipart/mixed", "text/cloud-boothook"]);
  assert.deepEqual(kinds(vendorData(withMount, [made()], undefined)), [
    "multipart/mixed",
    "text/cloud-config",
    "text/cloud-boothook",
  ]);
  assert.deepEqual(kinds(vendorData(withMount, [], "#!/bin/sh\necho hi\n")), [
    "multipart/mixed",
    "text/plain",
    "text/cloud-config",
    "text/cloud-boothook",
  ]);
  assert.deepEqual(kinds(vendorData(spec(), [], "## template: jinja\n#cloud-config\nhostname: {{ v1.region }}\n")), [
    "multipart/mixed",
    "text/jinja2",
    "text/cloud-boothook",
  ]);
});

test("a cloud-config that is no YAML is refused by place", () => {
  assert.throws(() => vendorData(spec(), [], "#cloud-config\nruncmd: [a\n"), {
    code: "METADATA_INVALID",
    message: /vendor-data.*line/,
  });
  assert.throws(() => vendorData(spec(), [], "#cloud-config\n- a\n"), { code: "METADATA_INVALID" });
});

test("only hardware addresses get into the hook's text", () => {
  const text = vendorData(spec(), [made({ guestMac: "$(reboot)" }), made()], undefined);
  assert.ok(!text.includes("reboot"));
  assert.ok(text.includes("for mac in 52:54:00:12:34:56; do"));
});
