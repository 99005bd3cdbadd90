import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { defaultBridgeName } from "../../../host-network/src/embedded-configuration.ts";
import { platformPaths } from "../paths.ts";
import { fingerprintOf } from "../supervisor/plan.ts";
import { planeRules, planeTable } from "./plane-firewall.ts";
import { guestBridge, planePaths } from "./plane-paths.ts";
import { allThere, installPrograms, type PlanePrograms, planePrograms, removeOtherPrograms } from "./plane-programs.ts";
import { gatewayUnits, planUnit } from "./plane-units.ts";

describe("units of the management plane", () => {
  const paths = platformPaths("x");
  const options = { paths, plane: planePaths(paths), namespaced: true, environment: { PATH: "/bin" } };
  const plan = {
    name: "etcd",
    program: "etcd",
    arguments: ["--name=a"],
    environment: { GOGC: "50" },
    ready: { url: "https://127.0.0.1:2379/health", authority: "/ca.crt", deadlineMs: 1_000 },
    after: ["other"],
  } as const;

  test("run in the guests' namespace, and are asked through the gateway", () => {
    const unit = planUnit(plan, { program: "/programs/etcd", version: "v1" }, options);
    assert.equal(unit.networkNamespace, "lm-x");
    assert.deepEqual(unit.after, ["gateway-inside", "other"]);
    assert.deepEqual(unit.env, { PATH: "/bin", GOGC: "50" });
    assert.deepEqual(unit.readiness, {
      kind: "http",
      url: "https://127.0.0.1:2379/health",
      authority: "/ca.crt",
      proxySocket: "/run/liquidmetal-x/probe.sock",
    });
  });

  test("are others in another namespace or with another program: they are replaced then", () => {
    const unit = planUnit(plan, { program: "/programs/etcd", version: "v1" }, options);
    const bare = planUnit(plan, { program: "/programs/etcd", version: "v1" }, { ...options, namespaced: false });
    const newer = planUnit(plan, { program: "/newer/etcd", version: "v2" }, options);
    assert.equal(bare.networkNamespace, undefined);
    assert.equal(new Set([unit, bare, newer].map(fingerprintOf)).size, 3);
    assert.equal(fingerprintOf({ ...unit, version: "v3" }), fingerprintOf(unit), "a name is no reason");
  });

  test("only one half of the gateway is in the namespace", () => {
    const [inside, outside] = gatewayUnits({ port: 20_000, identity: "me", inputs: "", version: "v1" }, options);
    assert.equal(inside?.networkNamespace, "lm-x");
    assert.deepEqual(inside?.after, ["flintlockd"]);
    assert.equal(outside?.networkNamespace, undefined);
    assert.deepEqual(outside?.readiness, { kind: "http", url: "http://127.0.0.1:20000/healthz", says: "me" });
  });

  test("know the guests' bridge by the name that the network gives it", () => {
    for (const name of ["default", "x", "a-b"]) assert.equal(guestBridge(name), defaultBridgeName(name));
  });

  test("ports that listen to all are closed to others, by a table that goes with the platform", () => {
    assert.equal(planeTable("a-b"), "lm_a_b_plane");
    assert.match(planeRules("lm_x_plane", [1, 2]), /iifname != "lo" tcp dport \{ 1, 2 \} drop/);
  });
});

describe("programs of the management plane", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-programs-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function compiled(version: string): PlanePrograms {
    const folder = join(directory, "cache", `${version}${"0".repeat(60)}`);
    mkdirSync(folder, { recursive: true });
    const entries = planePrograms.map((name) => {
      const file = join(folder, `upstream-${name}`);
      writeFileSync(file, `${name} ${version}`, { mode: 0o755 });
      return [name, file] as const;
    });
    return Object.fromEntries(entries) as PlanePrograms;
  }

  test("are there when the cache is gone, and another version lies beside them until it is removed", async () => {
    const target = join(directory, "programs");
    const first = await installPrograms(target, compiled("aaaa"));
    const second = await installPrograms(target, compiled("bbbb"));
    rmSync(join(directory, "cache"), { recursive: true });
    assert.equal(await allThere(first), true);
    assert.equal(readFileSync(first.etcd, "utf8"), "etcd aaaa");
    assert.equal(readFileSync(second.kubectl, "utf8"), "kubectl bbbb");
    assert.notEqual(dirname(first.etcd), dirname(second.etcd));
    await removeOtherPrograms(target, second);
    assert.equal(existsSync(first.etcd), false);
    assert.equal(await allThere(second), true);
    rmSync(second.etcd);
    assert.equal(await allThere(second), false);
  });
});
