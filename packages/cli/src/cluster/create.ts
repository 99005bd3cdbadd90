/** Creates a cluster: its objects by server-side apply, then, if wanted, the way until it is available. */

import { isDeepStrictEqual } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import { isNotFound, type KubernetesObject, keyOf } from "@liquidmetal/kubernetes";
import { waitGoal } from "../commands/vm/flags.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import {
  fieldManager,
  type ManagementCluster,
  meansLocalPlatform,
  openManagementCluster,
} from "./management-cluster.ts";
import { namespaces, resourceOf } from "./objects.ts";
import { printCluster } from "./present.ts";
import { type RenderedCluster, renderCluster } from "./render.ts";
import { manifestsText } from "./template/manifests.ts";
import { waitForCluster } from "./wait.ts";

const defaultTimeoutMs = 1_800_000;
/** Cluster API adds a suffix of up to 20 characters, and hosts take names of 63. */
const namePattern = /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/;

export async function createCluster(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const name = positionals[0] ?? "";
  if (!namePattern.test(name))
    throw usage(
      `'${name}' is no name for a cluster`,
      "use lower-case letters, digits and hyphens, a letter first, at most 40",
    );
  const goal = waitGoal(flags, { bare: "ready", absent: "none", allowed: ["ready"] });
  const local = meansLocalPlatform(session);
  if (flags.on("dry-run")) {
    const namespace = flags.text("namespace") ?? "default";
    await printDryRun(session, await renderCluster(session, { name, namespace, local }));
    return undefined;
  }
  await using management = await openManagementCluster(session);
  const key = { namespace: management.namespace, name };
  const rendered = await renderCluster(session, { ...key, local });
  await applyAll(session, management, rendered, name);
  session.note(`Cluster ${key.namespace}/${name} is declared.`);
  if (goal !== "none") {
    await waitForCluster(session, management, {
      key,
      goal: "available",
      timeoutMs: flags.durationMs("timeout") ?? defaultTimeoutMs,
    });
  } else session.note(`'lm cluster describe ${name}' shows how far it is.`);
  await printCluster(session, management, key);
  return undefined;
}

async function printDryRun(session: Session, { objects, classObjects }: RenderedCluster): Promise<void> {
  const all = [...classObjects, ...objects];
  if (session.format === "json") session.print(JSON.stringify(all, null, 2));
  else if (session.format === "name") for (const { kind, metadata } of all) session.print(`${kind} ${metadata?.name}`);
  else session.print(manifestsText(all));
}

/** What is there already has to be as it would be made: then a creation that was cut off is finished. Throws OBJECT_EXISTS. */
async function applyAll(
  session: Session,
  management: ManagementCluster,
  { objects, classObjects }: RenderedCluster,
  name: string,
): Promise<void> {
  const { client, namespace } = management;
  const { signal } = session;
  if ((await client.find(namespaces, { namespace: "", name: namespace }, { signal })) === undefined) {
    await client.apply(namespaces, { namespace: "", name: namespace }, {}, { signal, fieldManager });
    session.note(`Namespace ${namespace} was made.`);
  }
  for (const object of classObjects) {
    // A class is everybody's: one that is there is used as it is.
    if ((await client.find(resourceOf(object), keyOf(object), { signal })) === undefined)
      await client.apply(resourceOf(object), keyOf(object), object, { signal, fieldManager });
  }
  for (const object of objects) await refuseAnother(session, management, object, name);
  for (const object of objects) await client.apply(resourceOf(object), keyOf(object), object, { signal, fieldManager });
}

async function refuseAnother(
  session: Session,
  { client }: ManagementCluster,
  object: KubernetesObject,
  name: string,
): Promise<void> {
  const { signal } = session;
  const kind = resourceOf(object);
  const there = await client.find(kind, keyOf(object), { signal });
  if (there === undefined) return;
  const same = await client
    .apply(kind, keyOf(object), object, { signal, fieldManager, dryRun: true })
    .then((after) => isDeepStrictEqual(contentOf(after), contentOf(there)))
    .catch((error: unknown) => {
      // Fields that cannot be changed, or an object that went away meanwhile.
      if (isNotFound(error)) return true;
      if (error instanceof PlatformError && error.kind === "invalid") return false;
      throw error;
    });
  const deleting = there.metadata?.deletionTimestamp !== undefined;
  if (same && !deleting) return;
  throw new PlatformError(
    "OBJECT_EXISTS",
    deleting
      ? `${object.kind} ${object.metadata?.name} of another cluster '${name}' is being deleted`
      : `there is a cluster '${name}' already, made differently (${object.kind} ${object.metadata?.name})`,
    {
      remedy: deleting
        ? `wait until it is gone: 'lm cluster delete ${name} --wait'`
        : "choose another name, or change the one there with 'lm cluster scale' and 'lm cluster upgrade'",
    },
  );
}

function contentOf(object: KubernetesObject): unknown {
  const {
    metadata: _metadata,
    status: _status,
    ...content
  } = object as KubernetesObject & { readonly status?: unknown };
  return content;
}
