import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createNotifier } from "./notify.ts";

async function told(path: string, wanted: RegExp): Promise<string> {
  const deadline = AbortSignal.timeout(5_000);
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (wanted.test(text)) return text;
    deadline.throwIfAborted();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

test("ready, watchdog while healthy, stopping", { timeout: 10_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-notify-"));
  try {
    const log = join(directory, "told");
    const program = join(directory, "systemd-notify");
    await writeFile(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${log}\n`);
    await chmod(program, 0o755);
    const environment = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "30000", PATH: process.env["PATH"] };
    let isHealthy = true;
    const notifier = createNotifier({ environment, program, healthy: () => isHealthy });
    notifier.ready("serving\non two lines");
    const text = await told(log, /WATCHDOG=1/);
    assert.match(text, /^\/run\/x READY=1 STATUS=serving on two lines$/m);
    isHealthy = false;
    notifier.stopping();
    await told(log, /STOPPING=1/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("without systemd nothing is run", () => {
  const notifier = createNotifier({ environment: {}, program: "/nonexistent", healthy: () => true });
  notifier.ready("x");
  notifier.status("y");
  notifier.stopping();
});
