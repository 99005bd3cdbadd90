import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { agentConfig } from "./agent-config.ts";
import { defaultConfiguration, readConfiguration, writeConfiguration } from "./configuration.ts";
import { platformPaths } from "./paths.ts";
import { bootId, commandLine, identify, isAlive, signalIfOurs } from "./process/identity.ts";
import { rotateLog } from "./process/log-file.ts";

describe("paths", () => {
  test("platforms of different names share nothing", () => {
    const values = (name: string): readonly string[] => Object.values(platformPaths(name));
    const common = values("default").filter((path) => values("other").includes(path));
    assert.deepEqual(common, []);
    assert.equal(platformPaths("default").agentSocket, "/run/liquidmetal/flintlockd.sock");
    assert.equal(platformPaths("x").stateDirectory, "/var/lib/liquidmetal-x");
  });

  test("names and directories that cannot be used are refused", () => {
    for (const name of ["", "A", "a/b", "../x", "1a", "a".repeat(33)])
      assert.throws(() => platformPaths(name), /not a name/);
    assert.throws(() => platformPaths("a", { stateDirectory: "relative" }), /absolute/);
    assert.throws(() => platformPaths("a", { runDirectory: `/${"x".repeat(100)}` }), /too long/);
  });
});

describe("configuration", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-platform-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("is kept, by its owner only, and a broken file is told", async () => {
    const paths = platformPaths("test", { stateDirectory: directory, runDirectory: directory });
    assert.equal(await readConfiguration(paths), undefined);
    const configuration = { ...defaultConfiguration, subnet: "10.9.0.0/24" };
    await writeConfiguration(paths, configuration);
    assert.deepEqual(await readConfiguration(paths), configuration);
    assert.equal(statSync(paths.configFile).mode & 0o777, 0o600);
    writeFileSync(paths.configFile, "{}");
    await assert.rejects(readConfiguration(paths), { code: "STATE_CORRUPT" });
  });

  test("becomes the agent's file", () => {
    const text = agentConfig(platformPaths("test"), {
      ...defaultConfiguration,
      egress: true,
      httpEndpoint: "localhost:1",
    });
    assert.match(text, /^network-egress: "allow"$/m);
    assert.match(text, /^network-namespace: "lm-test"$/m);
    assert.match(text, /^enable-http: true$/m);
    assert.doesNotMatch(text, /undefined/);
  });

  test("with a management plane the guests' network lets endpoints and pods pass, and the user's word is last", () => {
    const settings = { "network-floating": "0", concurrency: "4" };
    const usual = agentConfig(platformPaths("test"), { ...defaultConfiguration, managementPlane: true });
    assert.match(usual, /^network-shared: "172\.25\.0\.0\/16"$/m);
    assert.match(usual, /^network-floating: "16"$/m);
    const without = agentConfig(platformPaths("test"), { ...defaultConfiguration, managementPlane: false });
    assert.equal(without, usual, "clusters that were made run on without it");
    const own = agentConfig(platformPaths("test"), { ...defaultConfiguration, managementPlane: true, settings });
    assert.match(
      own,
      /^network-floating: "0"\n(.*\n)*concurrency: "4"$|^concurrency: "4"\n(.*\n)*network-floating: "0"$/m,
    );
    assert.doesNotMatch(agentConfig(platformPaths("test"), defaultConfiguration), /network-(shared|floating)/);
  });

  test("a log that has grown is shifted, three generations deep", () => {
    const path = join(directory, "unit.log");
    for (let round = 1; round <= 5; round += 1) {
      writeFileSync(path, `${round}`.repeat(10));
      assert.equal(rotateLog(path, 5), true);
    }
    assert.equal(rotateLog(path, 5), false);
    assert.equal(readFileSync(`${path}.1`, "utf8"), "5".repeat(10));
    assert.equal(readFileSync(`${path}.3`, "utf8"), "3".repeat(10));
    assert.throws(() => statSync(`${path}.4`));
  });
});

describe("identity", () => {
  test("a process is ours by start time, boot and token, all three", () => {
    // Not of process.argv: a title that was set replaces what the kernel shows.
    const token = commandLine(process.pid).split(" ")[0] ?? "";
    const identity = identify(process.pid, token);
    assert.ok(identity !== undefined);
    assert.equal(isAlive(identity), true);
    assert.equal(isAlive({ ...identity, startTime: "1" }), false);
    assert.equal(isAlive({ ...identity, bootId: "another" }), false);
    assert.equal(isAlive({ ...identity, token: "not in the command line" }), false);
    assert.equal(signalIfOurs({ ...identity, startTime: "1" }, "SIGKILL"), false);
    assert.match(bootId(), /^[0-9a-f-]{36}$/);
    assert.equal(identify(2 ** 22 + 1, token), undefined);
  });
});
