/** The verbs start, stop, reboot, pause, resume: ask, then watch it happen. */
import type { Verb } from "../client/host-client.ts";
import { type WaitGoal, waitGoal } from "../commands/vm/flags.ts";
import { printList } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { findMicroVm } from "./target.ts";
import { type MicroVmView, presentation, viewOf } from "./view.ts";
import { waitUntil } from "./wait.ts";

const defaultTimeoutMs = 120_000;

const titles: Readonly<Record<Verb, string>> = {
  start: "Starting",
  stop: "Stopping",
  reboot: "Rebooting",
  pause: "Pausing",
  resume: "Resuming",
};

export async function actOnMicroVms(verb: Verb, invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags } = invocation;
  const mayAwaitReady = verb === "start" || verb === "reboot" || verb === "resume";
  const goal = waitGoal(flags, { bare: "done", absent: "done", allowed: mayAwaitReady ? ["ready"] : [] });
  const timeoutMs = flags.durationMs("timeout") ?? defaultTimeoutMs;
  const force = (verb === "stop" || verb === "reboot") && flags.on("force");
  const host = await session.host();
  // All names are looked up before anything is done: a slip in the last one leaves the first alone.
  const targets: MicroVmView[] = [];
  for (const name of invocation.positionals) targets.push(await findMicroVm(session, host, name));
  using stages = session.stages();
  const results: MicroVmView[] = [];
  for (const before of targets) {
    const view = await stages.run(`${titles[verb]} ${before.namespace}/${before.name}`, async (stage) => {
      const asked = viewOf(await host.act(verb, before.uid, { signal: session.signal, force }));
      if (goal === "none") return asked;
      return waitUntil(session, host, {
        uid: before.uid,
        timeoutMs,
        goal: goalText(verb, goal),
        failedBefore: before.phase === "failed",
        reached: (seen) => reached(verb, goal, before, seen),
        onChange: (seen) => stage.update(seen.phase),
      });
    });
    results.push(view);
  }
  await printList(session, results, presentation(session.clock.nowMs(), true));
  return undefined;
}

function reached(verb: Verb, goal: WaitGoal, before: MicroVmView, seen: MicroVmView): boolean {
  const readyEnough = goal !== "ready" || seen.ready;
  switch (verb) {
    case "start":
    case "resume":
      return seen.phase === "running" && readyEnough;
    case "reboot":
      return seen.phase === "running" && seen.boots > before.boots && readyEnough;
    case "stop":
      return seen.phase === "stopped";
    case "pause":
      return seen.phase === "paused";
    default:
      return verb satisfies never;
  }
}

function goalText(verb: Verb, goal: WaitGoal): string {
  if (goal === "ready") return "to be ready";
  if (verb === "stop") return "to stop";
  return verb === "pause" ? "to pause" : "to run";
}
