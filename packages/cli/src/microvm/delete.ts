/** Deletes microVMs: all are asked for first, then all are waited for. */
import { createInterface } from "node:readline/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import { waitGoal } from "../commands/vm/flags.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { parseLabelSelector } from "./label-selector.ts";
import { findMicroVm } from "./target.ts";
import { jsonOfView, type MicroVmView, viewOf } from "./view.ts";
import { waitUntilGone } from "./wait.ts";

const defaultTimeoutMs = 120_000;

export async function deleteMicroVms(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags } = invocation;
  const goal = waitGoal(flags, { bare: "done", absent: "done", allowed: [] });
  const timeoutMs = flags.durationMs("timeout") ?? defaultTimeoutMs;
  const host = await session.host();
  const targets = await chosen(invocation, session, host);
  using stages = session.stages();
  const names = targets.map((view) => `${view.namespace}/${view.name}`);
  if (targets.length > 0) {
    await stages.run(`Deleting ${names.length > 3 ? `${names.length} microVMs` : names.join(", ")}`, async () => {
      for (const view of targets) await requestDeletion(session, host, view);
      if (goal === "none") return;
      for (const view of targets) await waitUntilGone(session, host, view.uid, timeoutMs);
    });
  }
  if (session.format === "json") {
    session.print(
      JSON.stringify(
        targets.map((view) => jsonOfView({ ...view, phase: goal === "none" ? "deleting" : "deleted" })),
        null,
        2,
      ),
    );
  } else for (const name of names) session.print(name);
  return undefined;
}

async function chosen(invocation: Invocation, session: Session, host: HostClient): Promise<readonly MicroVmView[]> {
  const { flags, positionals } = invocation;
  if (!flags.on("all")) {
    if (positionals.length === 0) throw usage("which microVM?", "name one or more, or say --all -n NAMESPACE");
    if (flags.given("selector")) throw usage("--selector goes with --all");
    const found = new Map<string, MicroVmView>();
    for (const name of positionals) {
      const view = await findOrIgnore(session, host, name);
      if (view !== undefined) found.set(view.uid, view);
    }
    return [...found.values()];
  }
  const namespace = flags.text("namespace");
  if (positionals.length > 0) throw usage("--all and names contradict each other");
  if (namespace === undefined) throw usage("--all needs the namespace to empty", "say it with -n NAMESPACE");
  const selects = parseLabelSelector(flags.text("selector") ?? "");
  const listed = await host.list({ namespace }, { signal: session.signal });
  const views = listed.map(viewOf).filter((view) => selects(view.labels));
  if (views.length > 0 && !flags.on("yes")) await confirm(session, views, namespace);
  if (views.length === 0) session.note(`Nothing to delete in namespace ${namespace}.`);
  return views;
}

async function findOrIgnore(session: Session, host: HostClient, name: string): Promise<MicroVmView | undefined> {
  try {
    return await findMicroVm(session, host, name);
  } catch (error) {
    const missing = error instanceof PlatformError && error.kind === "not-found";
    if (missing && session.flags.on("ignore-not-found")) return undefined;
    throw error;
  }
}

async function requestDeletion(session: Session, host: HostClient, view: MicroVmView): Promise<void> {
  try {
    await host.delete(view.uid, { signal: session.signal });
  } catch (error) {
    // Gone between our look and our word: that is what was wanted.
    if (!(error instanceof PlatformError && error.kind === "not-found")) throw error;
  }
}

async function confirm(session: Session, views: readonly MicroVmView[], namespace: string): Promise<void> {
  const { stdin, stderr } = session.terminal;
  const refusal = usage(`deleting ${views.length} microVMs of namespace ${namespace} was not confirmed`, "say --yes");
  if (stdin.isTTY !== true) throw refusal;
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const names = views.map((view) => view.name).join(", ");
    const answer = await reader.question(
      `Delete ${views.length} microVMs of namespace ${namespace} (${names})? [y/N] `,
      {
        signal: session.signal,
      },
    );
    if (!/^y(es)?$/i.test(answer.trim())) throw refusal;
  } finally {
    reader.close();
  }
}
