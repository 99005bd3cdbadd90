/**
 * The spawner's process. Small on purpose: it imports a handful of files and no library, because a fork costs what the forking process weighs.
 *
 * It reads calls from descriptor 3 and writes replies there. When the agent's end closes, it kills the short commands and exits; what it has spawned
 * lives on. It keeps no state that matters: a new spawner knows as much from procfs.
 */
import { Socket } from "node:net";
import type { ProcessIdentity } from "@liquidmetal/microvm";
import { LineSplitter } from "../lines.ts";
import { callBytesMax, type Reply, type SpawnerSettings } from "../protocol.ts";
import {
  checkCgroupName,
  checkIdentity,
  checkPrefix,
  checkRun,
  checkSignal,
  checkSpawn,
  fields,
  integer,
} from "./calls.ts";
import { Cgroups } from "./cgroups.ts";
import { runCommand } from "./commands.ts";
import { launch } from "./launch.ts";
import { findByTokenPrefix, verdictOf } from "./procfs.ts";
import { Refusal } from "./refusal.ts";
import { Watches } from "./watches.ts";

const settings: SpawnerSettings = JSON.parse(process.argv[2] ?? '{"cgroupRoot":"liquidmetal"}');
const channel = new Socket({ fd: 3, readable: true, writable: true });
const cgroups = new Cgroups(checkCgroupName(settings.cgroupRoot), (message) => process.stderr.write(`${message}\n`));
const watches = new Watches();
/** Calls that wait and can be cancelled. */
const waiting: Map<number, AbortController> = new Map();

async function answer(id: number, operation: unknown, ask: unknown): Promise<unknown> {
  switch (operation) {
    case "spawn":
      return spawnProgram(ask);
    case "run":
      return cancellable(id, (signal) => runCommand(checkRun(ask), signal));
    case "signal": {
      const identity = checkIdentity(fields(ask, "signal")["identity"]);
      return signalProcess(identity, checkSignal(fields(ask, "signal")["signal"]));
    }
    case "verdict":
      return verdictOf(checkIdentity(fields(ask, "verdict")["identity"]));
    case "exited":
      return cancellable(id, (signal) => exited(checkIdentity(fields(ask, "exited")["identity"]), signal));
    case "find":
      return findByTokenPrefix(checkPrefix(fields(ask, "find")["prefix"]));
    case "removeCgroup":
      await cgroups.remove(checkCgroupName(fields(ask, "removeCgroup")["name"]));
      return null;
    case "cancel":
      waiting.get(integer(fields(ask, "cancel")["call"], "call", 1, Number.MAX_SAFE_INTEGER))?.abort();
      return null;
    default:
      throw new Refusal("REQUEST_INVALID", "no such operation");
  }
}

async function spawnProgram(ask: unknown): Promise<ProcessIdentity> {
  const { identity, child } = await launch(checkSpawn(ask), cgroups);
  watches.child(identity, child);
  return identity;
}

function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): string {
  const verdict = verdictOf(identity);
  if (verdict !== "alive") return verdict;
  try {
    process.kill(identity.pid, signal);
    watches.expectEnd(identity);
    return "alive";
  } catch {
    return verdictOf(identity) === "gone" ? "gone" : "unverifiable";
  }
}

function exited(identity: ProcessIdentity, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const forget = watches.watch(identity, resolve);
    signal.addEventListener("abort", () => {
      forget();
      reject(new Refusal("CANCELLED", "no longer watched"));
    });
  });
}

async function cancellable<T>(id: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  waiting.set(id, controller);
  try {
    return await work(controller.signal);
  } finally {
    waiting.delete(id);
  }
}

async function receive(line: string): Promise<void> {
  const call = fields(JSON.parse(line), "call");
  const id = integer(call["id"], "id", 1, Number.MAX_SAFE_INTEGER);
  let reply: Reply;
  try {
    reply = { id, ok: true, value: await answer(id, call["operation"], call["ask"]) };
  } catch (error) {
    const code = error instanceof Refusal ? error.code : "INTERNAL";
    reply = { id, ok: false, code, message: error instanceof Error ? error.message : String(error) };
  }
  if (!channel.destroyed) channel.write(`${JSON.stringify(reply)}\n`);
}

function leave(code: number): void {
  for (const controller of waiting.values()) controller.abort();
  // Killing the commands is done within this turn; nothing else is ours to end.
  setImmediate(() => process.exit(code));
}

const lines = new LineSplitter(callBytesMax);
channel.on("data", (chunk) => {
  try {
    for (const line of lines.push(chunk)) {
      receive(line).catch((error) => {
        process.stderr.write(`the agent sent what is no call: ${String(error)}\n`);
        leave(1);
      });
    }
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
    leave(1);
  }
});
channel.on("error", () => leave(0));
channel.on("close", () => leave(0));
channel.on("end", () => leave(0));
process.on("SIGTERM", () => leave(0));
// An interrupt at the terminal goes to the whole foreground group: the agent decides, not we.
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
