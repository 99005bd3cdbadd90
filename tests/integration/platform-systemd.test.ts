/** The units for systemd: systemd finds nothing wrong with them, and the one that looks after the supervisor tells a living one from a dead one. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

const units = join(import.meta.dirname, "../../deploy/systemd");
const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

describe("the units for systemd", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-systemd-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("are good", { skip: analyze ? false : "needs systemd-analyze" }, () => {
    // The programs are not installed here; systemd looks whether they are.
    for (const name of readdirSync(units)) {
      const text = readFileSync(join(units, name), "utf8").replaceAll(
        /\/usr\/lib\/liquidmetal\/bin\/\w+/g,
        "/bin/true",
      );
      writeFileSync(join(directory, name), text);
    }
    const files = readdirSync(directory).map((name) => join(directory, name));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", ...files], { encoding: "utf8" });
    assert.deepEqual([status, stderr.split("\n").filter((line) => line.includes(directory))], [0, []]);
  });

  test("start the platform's unit again only where a supervisor was killed", async () => {
    const text = readFileSync(join(units, "liquidmetal-watch.service"), "utf8");
    const command = /^ExecCondition=\/bin\/sh -c '(.*)'$/m.exec(text)?.[1] ?? assert.fail("there is no condition");
    const script = command.replaceAll("$$", "$").replaceAll("/run/liquidmetal", directory);
    const isMissed = (): boolean => spawnSync("sh", ["-c", script]).status === 0;
    assert.equal(isMissed(), false, "the platform was taken down");
    const supervisor = spawn("sleep", ["60"]);
    writeFileSync(join(directory, "supervisor.pid"), `${supervisor.pid}\n`);
    assert.equal(isMissed(), false, "it lives");
    supervisor.kill("SIGKILL");
    await once(supervisor, "exit");
    assert.equal(isMissed(), true, "it was killed");
  });
});
