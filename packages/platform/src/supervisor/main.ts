/**
 * The supervisor of an embedded platform: `supervisor PLAN`. Started by `lm up`, detached from its terminal.
 *
 * SIGTERM ends the supervisor alone: what it runs lives on, and the next supervisor takes it over.
 */
import { writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { dirname, join } from "node:path";
import { systemClock, systemEntropy } from "@liquidmetal/foundation";
import { serveControl } from "./control-server.ts";
import { takeLock } from "./lock.ts";
import { readPlan } from "./plan.ts";
import { Supervisor } from "./supervisor.ts";

/** The exit code that says "another one runs". */
const lockedExitCode = 75;

const planPath = process.argv[2];
if (planPath === undefined) {
  process.stderr.write("usage: supervisor PLAN\n");
  process.exit(2);
}
const plan = readPlan(planPath);
const lock = takeLock(plan.lockFile);
if (lock === undefined) {
  process.stderr.write(`another supervisor holds ${plan.lockFile}\n`);
  process.exit(lockedExitCode);
}
// For whoever looks whether it lives: liquidmetal-watch.service. Stays when it is killed, and when it leaves to be replaced.
const pidFile = join(dirname(plan.socket), "supervisor.pid");
writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
const supervisor = new Supervisor(plan, systemClock, systemEntropy);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => supervisor.leave());
process.on("SIGHUP", () => undefined);
const server = await serveControl(supervisor, plan.socket);
supervisor.start();
// Compiled code is kept (see NODE_COMPILE_CACHE in `lm up`): a supervisor that finds it needs no TypeScript stripper, a third of its memory.
flushCompileCache();
await supervisor.ended;
server.close();
lock[Symbol.dispose]();
process.exit(0);
