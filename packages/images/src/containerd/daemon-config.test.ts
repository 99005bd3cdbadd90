import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "smol-toml";
import { containerdSocket, renderContainerdConfig } from "./daemon-config.ts";

test("is TOML of the version that each containerd reads, without what runs containers", () => {
  const paths = { root: '/var/lib/a "quoted" path', state: "/run/lm" };
  const one = parse(renderContainerdConfig({ major: 1, ...paths })) as Record<string, unknown>;
  const two = parse(renderContainerdConfig({ major: 2, ...paths, blockfileScratch: "/var/lib/scratch" })) as Record<
    string,
    unknown
  >;
  assert.deepEqual([one["version"], two["version"]], [2, 3]);
  assert.equal(one["root"], paths.root);
  assert.ok((one["disabled_plugins"] as string[]).includes("io.containerd.grpc.v1.cri"));
  assert.ok((two["disabled_plugins"] as string[]).includes("io.containerd.cri.v1.runtime"));
  assert.equal(
    (two["plugins"] as Record<string, Record<string, unknown>>)["io.containerd.snapshotter.v1.blockfile"]?.[
      "scratch_file"
    ],
    "/var/lib/scratch",
  );
  assert.equal(containerdSocket(paths), "/run/lm/containerd.sock");
});
