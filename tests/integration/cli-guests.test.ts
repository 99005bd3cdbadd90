/** What `lm down` and `lm up` do with the guests of a platform: power off and remember, start again, delete. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "@liquidmetal/api/client";
import { localGuests } from "../../packages/cli/src/platform/guests.ts";
import { globalFlags } from "../../packages/cli/src/program/flag.ts";
import { FlagValues } from "../../packages/cli/src/program/flag-values.ts";
import { Session } from "../../packages/cli/src/program/session.ts";
import { processTerminal } from "../../packages/cli/src/program/terminal.ts";
import { startFakeHost } from "../../packages/host-agent/src/api/fake-host.ts";

const stage = { update: () => undefined, done: () => undefined, skip: () => undefined };

test("guests are powered off, remembered before, started again, deleted", { timeout: 30_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "lm-guests-"));
  try {
    const socket = join(directory, "agent.sock");
    await using fake = await startFakeHost({ grpc: [{ kind: "unix", path: socket }] });
    const client = connect({ address: `unix:${socket}` });
    for (const id of ["one", "two"]) {
      await client.microVms.createMicroVM({
        microvm: {
          id,
          namespace: "ns",
          kernel: { image: "registry.example/kernel:1" },
          rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" } },
        },
      });
    }
    client.close();
    const records = fake.application.records;
    const [one = "", two = ""] = [...records.keys()];
    await fake.application.setDesired(two, "stopped");
    await using session = new Session({
      terminal: processTerminal(),
      flags: new FlagValues(globalFlags, new Map()),
      format: "table",
      signal: AbortSignal.timeout(20_000),
      open: () => Promise.reject(new Error("not needed")),
    });
    const guests = await localGuests(session, socket);
    assert.ok(guests !== undefined);
    let phaseWhenRemembered = "";
    const stopped = await guests.stopAll(stage, async () => {
      phaseWhenRemembered = records.get(one)?.phase ?? "";
    });
    assert.deepEqual(stopped, [one]);
    assert.equal(phaseWhenRemembered, "pending");
    assert.equal(records.get(one)?.phase, "stopped");
    assert.equal(await guests.startAll([...stopped, "gone"], stage), 1);
    assert.equal(records.get(one)?.desired, "running");
    assert.equal(records.get(two)?.desired, "stopped");
    assert.equal(await guests.deleteAll(stage), 2);
    assert.equal(records.size, 0);
    guests.close();
    assert.equal(await localGuests(session, join(directory, "nobody.sock")), undefined);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
