/** Takes the platform down; with --delete, to the last file. */
import { createInterface } from "node:readline/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { down } from "@liquidmetal/platform/lifecycle";
import { localToken } from "../client/open.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { localGuests } from "./guests.ts";
import { sessionPaths } from "./paths.ts";

export async function downPlatform(invocation: Invocation, session: Session): Promise<number | undefined> {
  const paths = sessionPaths(session);
  const deletes = invocation.flags.on("delete");
  if (process.getuid?.() !== 0) {
    throw new PlatformError("UNAUTHENTICATED", "taking the platform down needs root", { remedy: "run it with sudo" });
  }
  if (deletes && !invocation.flags.on("yes")) await confirm(session, paths.stateDirectory);
  using stages = session.stages();
  const guests = await localGuests(session, paths.agentSocket, await localToken(paths));
  try {
    const left = await down({
      paths,
      delete: deletes,
      progress: stages,
      signal: session.signal,
      ...(guests === undefined ? {} : { guests }),
    });
    if (session.format === "json")
      session.print(JSON.stringify({ name: paths.name, deleted: deletes, leftovers: left }, null, 2));
    for (const each of left) session.warn(`still there: ${each.kind} ${each.name}`);
    return left.length === 0 ? 0 : 1;
  } finally {
    guests?.close();
  }
}

async function confirm(session: Session, directory: string): Promise<void> {
  const { stdin, stderr } = session.terminal;
  const refusal = usage("deleting the platform was not confirmed", "say --yes");
  if (stdin.isTTY !== true) throw refusal;
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await reader.question(`Delete all microVMs, images and ${directory}? [y/N] `, {
      signal: session.signal,
    });
    if (!/^y(es)?$/i.test(answer.trim())) throw refusal;
  } finally {
    reader.close();
  }
}
