/** Both journals through one suite, and what only the real one can show: the lock, the layout, damage, modes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { FakeJournal, FakeJournalDisk } from "./fake-journal.ts";
import { type JournalUnderTest, journalConformance, sampleRecord } from "./journal-conformance.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";

journalConformance("fake", (): JournalUnderTest => {
  const disk = new FakeJournalDisk();
  return {
    open: (eventsMax) => new FakeJournal(disk, eventsMax),
    setFull: (full) => {
      disk.full = full;
    },
    [Symbol.dispose]: () => undefined,
  };
});

journalConformance("sqlite", (): JournalUnderTest => {
  const { path, ...directory } = temporary();
  const databases: DatabaseSync[] = [];
  const open = (eventsMax?: number) =>
    openSqliteJournal({
      path,
      ...(eventsMax === undefined ? {} : { eventsMax }),
      onOpen: (database) => databases.push(database),
    });
  return {
    open,
    // The page limit is how SQLite lets a full disk be simulated: it fails with the same SQLITE_FULL.
    setFull: (full) => databases.at(-1)?.exec(`PRAGMA max_page_count = ${full ? 20 : 1_000_000}`),
    ...directory,
  };
});

function temporary() {
  const directory = mkdtempSync(join(tmpdir(), "lm-journal-"));
  return {
    path: join(directory, "state", "journal.db"),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

test("the file and its directory are for their owner only", () => {
  using place = temporary();
  const journal = openSqliteJournal(place);
  journal.setSetting("a", "b");
  const mode = (path: string) => statSync(path).mode & 0o777;
  assert.deepEqual([mode(place.path), mode(`${place.path}-wal`), mode(join(place.path, ".."))], [0o600, 0o600, 0o700]);
  journal.close();
});

test("after a restart of the host no position is given out again that a watcher may have seen", () => {
  using place = temporary();
  const event = { atMs: 1, uid: "A", namespace: "n", name: "a", severity: "info", reason: "R", message: "" } as const;
  const first = openSqliteJournal({ ...place, bootId: "one" });
  first.commit(sampleRecord("A", 1), [event, event]);
  first.close();
  const second = openSqliteJournal({ ...place, bootId: "one" });
  assert.equal(second.lastPosition(), 2);
  second.close();
  const third = openSqliteJournal({ ...place, bootId: "two" });
  assert.ok((third.commit(sampleRecord("A", 2), [event])[0]?.position ?? 0) > 1_000);
  assert.equal(third.events({ uid: "A" }).length, 3);
  third.close();
});

test("a newer layout is refused and left as it is", () => {
  using place = temporary();
  openSqliteJournal(place).close();
  const database = new DatabaseSync(place.path);
  database.exec("PRAGMA user_version = 99");
  database.close();
  const before = readFileSync(place.path);
  assert.throws(() => openSqliteJournal(place), { code: "STATE_TOO_NEW" });
  assert.deepEqual(readFileSync(place.path), before);
});

test("a file that is no journal, or a damaged one, is refused and left as it is", () => {
  using place = temporary();
  openSqliteJournal(place).close();
  const whole = readFileSync(place.path);
  const damaged = Buffer.from(whole);
  damaged.fill(0xa5, 4_096);
  for (const content of [Buffer.from("not a database at all, only text\n".repeat(100)), damaged]) {
    writeFileSync(place.path, content);
    assert.throws(() => openSqliteJournal(place), { code: "STATE_CORRUPT" });
    assert.deepEqual(readFileSync(place.path), content);
  }
  rmSync(place.path);
  const foreign = new DatabaseSync(place.path);
  foreign.exec("CREATE TABLE somebody (elses TEXT)");
  foreign.close();
  assert.throws(() => openSqliteJournal(place), { code: "STATE_CORRUPT" });
});

test("a record that cannot be read is refused, not dropped", () => {
  using place = temporary();
  openSqliteJournal(place).close();
  const database = new DatabaseSync(place.path);
  database.prepare("INSERT INTO records VALUES (?, ?)").run("A", "{");
  database.close();
  const journal = openSqliteJournal(place);
  assert.throws(() => journal.load(), { code: "STATE_CORRUPT" });
  journal.close();
});

test("the lock dies with its process, and what was committed survives the kill", async () => {
  using place = temporary();
  const module = new URL("./sqlite-journal.ts", import.meta.url).href;
  const script = `import { openSqliteJournal } from ${JSON.stringify(module)};
    const journal = openSqliteJournal({ path: ${JSON.stringify(place.path)} });
    journal.setSetting("host-id", "abc");
    journal.commit(JSON.parse(${JSON.stringify(JSON.stringify(sampleRecord("A")))}), [], "relaxed");
    process.stdout.write("open");
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  assert.throws(() => openSqliteJournal(place), { code: "STATE_LOCKED" });
  child.kill("SIGKILL");
  await once(child, "exit");
  const journal = openSqliteJournal(place);
  assert.equal(journal.setting("host-id"), "abc");
  assert.deepEqual(journal.load(), [sampleRecord("A")]);
  journal.close();
});
