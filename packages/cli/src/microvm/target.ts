/** Finding a microVM by what people call it: NAME, NAMESPACE/NAME, or uid. */
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { suggestion } from "../program/suggestion.ts";
import { type MicroVmView, viewOf } from "./view.ts";

/** A ULID, as flintlock makes uids. */
const uidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/i;

export interface Target {
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Throws REQUEST_INVALID for what cannot be a name. `namespace`: from `-n`. */
export function parseTarget(text: string, namespace: string | undefined): Target {
  const parts = text.split("/");
  const [first = "", second] = parts;
  if (parts.length > 2 || first === "" || second === "") {
    throw usage(`'${text}' is not a microVM`, "write NAME, NAMESPACE/NAME or a uid");
  }
  if (second === undefined) return { namespace, name: first };
  if (namespace !== undefined && namespace !== first) {
    throw usage(`'${text}' and --namespace ${namespace} contradict each other`);
  }
  return { namespace: first, name: second };
}

/** The one microVM that `text` names. MICROVM_NOT_FOUND with a suggestion; REQUEST_INVALID when several have this name. */
export async function findMicroVm(session: Session, host: HostClient, text: string): Promise<MicroVmView> {
  const target = parseTarget(text, session.flags.text("namespace"));
  if (target.namespace === undefined && uidPattern.test(target.name)) {
    const byUid = await lookUp(session, host, target.name.toUpperCase());
    if (byUid !== undefined) return byUid;
  }
  const all = await host.list({ namespace: target.namespace ?? "" }, { signal: session.signal });
  const views = all.map(viewOf);
  const [found, ...others] = views.filter((view) => view.name === target.name);
  if (found === undefined) throw notFound(text, views);
  if (others.length === 0) return found;
  const choices = [found, ...others].map((view) => `${view.namespace}/${view.name}`).join(", ");
  throw usage(`several microVMs are named '${text}': ${choices}`, "write NAMESPACE/NAME, or the uid");
}

async function lookUp(session: Session, host: HostClient, uid: string): Promise<MicroVmView | undefined> {
  try {
    return viewOf(await host.get(uid, { signal: session.signal }));
  } catch (error) {
    if (error instanceof PlatformError && error.kind === "not-found") return undefined;
    throw error;
  }
}

function notFound(text: string, views: readonly MicroVmView[]): PlatformError {
  const names = views.flatMap((view) => [view.name, `${view.namespace}/${view.name}`]);
  const near = suggestion(text, names);
  return new PlatformError("MICROVM_NOT_FOUND", `there is no microVM '${text}'`, {
    remedy:
      near === undefined
        ? "list them with 'lm vm list -A'"
        : `did you mean '${near}'? All are listed by 'lm vm list -A'`,
  });
}
