/** The collector of evidence: what is there is had, within bounded time, whatever the rest does. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clusterEvidence } from "./cluster-evidence.ts";
import { ofPlatform } from "./command.ts";
import { gather, type Witness } from "./evidence.ts";

function folderOf(context: { after(work: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "lm-evidence-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const silent: Witness = { file: "silent.txt", tell: () => new Promise(() => undefined) };
const refusing: Witness = {
  file: "deep/refusing.txt",
  tell: () => Promise.reject(new Error("connection refused\nand more")),
};
const throwing: Witness = {
  file: "throwing.txt",
  tell: () => {
    throw new Error("no such thing");
  },
};
const good: Witness = { file: "deep/good.txt", tell: () => Promise.resolve("what was seen") };

test("what is there is had though others refuse, throw or never answer; each of these says why in its place", async (context) => {
  const folder = folderOf(context);
  const began = performance.now();
  const { files, missing } = await gather(folder, [silent, refusing, throwing, good], {
    witnessMs: 200,
    concurrency: 1,
  });
  assert.ok(performance.now() - began < 5_000, "one that never answers holds nobody up");
  assert.deepEqual(files, ["deep/good.txt"]);
  assert.equal(readFileSync(join(folder, "deep/good.txt"), "utf8"), "what was seen");
  assert.match(readFileSync(join(folder, "deep/refusing.txt.missing"), "utf8"), /connection refused\nand more/);
  assert.deepEqual(missing, [
    "deep/refusing.txt: connection refused",
    "silent.txt: it did not answer in time",
    "throwing.txt: no such thing",
  ]);
  assert.deepEqual(readFileSync(join(folder, "missing.txt"), "utf8").trimEnd().split("\n"), missing);
});

test("the time for all of them is bounded, too, and a witness hears of its end", async (context) => {
  const folder = folderOf(context);
  let ended = 0;
  const patient: Witness = {
    file: "patient.txt",
    tell: (signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          ended += 1;
          reject(new Error("ended"));
        }),
      ),
  };
  const began = performance.now();
  const { missing } = await gather(
    folder,
    Array.from({ length: 6 }, (_, index) => ({ ...patient, file: `${index}.txt` })),
    {
      totalMs: 300,
      concurrency: 2,
    },
  );
  assert.ok(performance.now() - began < 5_000);
  assert.equal(missing.length, 6);
  assert.equal(ended, 2, "those that had begun; the others were not begun any more");
});

test("what a guest is asked by ssh is left as it is: the platform is named before it", () => {
  const args = ["vm", "ssh", "UID", "--", "journalctl -u kubelet"];
  assert.deepEqual(ofPlatform("p", args), ["vm", "ssh", "UID", "--platform", "p", "--", "journalctl -u kubelet"]);
  assert.deepEqual(ofPlatform("p", ["status"]), ["status", "--platform", "p"]);
});

test("of a platform that is not there all the same is had what the machine itself tells", {
  timeout: 120_000,
}, async (context) => {
  const folder = folderOf(context);
  const platform = `none${process.pid}`;
  const { files, missing } = await clusterEvidence({ folder, platform, clusters: ["absent"], witnessMs: 20_000 });
  assert.ok(files.includes("machine/processes.txt"), files.join(" "));
  assert.match(readFileSync(join(folder, "machine/processes.txt"), "utf8"), new RegExp(`^ *${process.pid} `, "m"));
  assert.ok(
    missing.some((line) => line.startsWith("absent/describe.txt: ")),
    missing.join("\n"),
  );
});
