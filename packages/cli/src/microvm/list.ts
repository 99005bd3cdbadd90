/** Lists microVMs once, or goes on with every change. */
import { WatchResponse_Type } from "@liquidmetal/api";
import { currentContext } from "../context/context-file.ts";
import { printList, toYaml } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { type LabelSelector, parseLabelSelector } from "./label-selector.ts";
import { jsonOfView, type MicroVmView, presentation, viewOf } from "./view.ts";

export async function listMicroVms(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags } = invocation;
  const everywhere = flags.on("all-namespaces");
  if (everywhere && flags.given("namespace")) throw usage("--all-namespaces and --namespace contradict each other");
  const selects = parseLabelSelector(flags.text("selector") ?? "");
  const namespace = everywhere ? "" : (flags.text("namespace") ?? (await defaultNamespace(session)));
  if (flags.on("watch")) return watchMicroVms(session, namespace, selects);
  const host = await session.host();
  const microvms = await host.list({ namespace }, { signal: session.signal });
  const views = microvms
    .map(viewOf)
    .filter((view) => selects(view.labels))
    .sort(byName);
  await printList(session, views, presentation(session.clock.nowMs(), everywhere));
  if (views.length === 0 && (session.format === "table" || session.format === "wide")) {
    session.note(
      everywhere ? "No microVMs." : `No microVMs in namespace ${namespace} ('lm vm list -A' shows all namespaces).`,
    );
  }
  return undefined;
}

/** One line (one JSON document a line, one YAML document) for every microVM and then for every change, until interrupted. */
async function watchMicroVms(session: Session, namespace: string, selects: LabelSelector): Promise<undefined> {
  const host = await session.host();
  let header = true;
  const kept: number[] = [];
  for await (const message of host.watch({ namespace, snapshot: true }, { signal: session.signal })) {
    if (message.microvm === undefined) continue;
    const view = viewOf(message.microvm);
    if (!selects(view.labels)) continue;
    const gone = message.type === WatchResponse_Type.DELETED;
    const shown: MicroVmView = gone ? { ...view, phase: "deleted", ready: false } : view;
    if (session.format === "json") session.print(JSON.stringify(jsonOfView(shown)));
    else if (session.format === "yaml") session.print(`---\n${await toYaml(jsonOfView(shown))}`);
    else await printList(session, [shown], presentation(session.clock.nowMs(), namespace === ""), { header, kept });
    header = false;
  }
  return undefined;
}

async function defaultNamespace(session: Session): Promise<string> {
  const context = await currentContext(session.terminal.env, session.flags.text("context"));
  return context?.namespace ?? "default";
}

const byName = (left: MicroVmView, right: MicroVmView): number =>
  compare(left.namespace, right.namespace) || compare(left.name, right.name);

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
