/** Makes the spec, sends it, and waits when asked to. */
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { MicroVMSpecSchema } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { Spec } from "../client/messages.ts";
import { waitGoal } from "../commands/vm/flags.ts";
import { currentContext } from "../context/context-file.ts";
import type { Json } from "../output/format.ts";
import { printOne, toYaml } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { withBootFiles } from "./boot-files.ts";
import { parseSpec, specLimitBytes } from "./spec-file.ts";
import { specFromFlags } from "./spec-from-flags.ts";
import { looksLikeKey, publicKeys, userDataWith } from "./user-data.ts";
import { type MicroVmView, presentation, viewOf } from "./view.ts";
import { waitUntil } from "./wait.ts";

const defaultTimeoutMs = 300_000;

export async function createMicroVm(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags } = invocation;
  const goal = waitGoal(flags, { bare: "ready", absent: "none", allowed: ["ready", "running"] });
  const timeoutMs = flags.durationMs("timeout") ?? defaultTimeoutMs;
  const described = await describedSpec(invocation, session);
  if (flags.on("dry-run")) {
    const json = toJson(MicroVMSpecSchema, described) as Json;
    session.print(session.format === "json" ? JSON.stringify(json, null, 2) : await toYaml(json));
    return;
  }
  const host = await session.host();
  using stages = session.stages();
  const { signal } = session;
  let view = await stages.run(`Asking ${host.address} for ${described.namespace}/${described.id}`, async () =>
    viewOf(await host.create(await withBootFiles(described, host, signal), { signal })),
  );
  if (goal !== "none") {
    const reached = (seen: MicroVmView): boolean =>
      goal === "ready" ? seen.ready : seen.phase === "running" || seen.ready;
    view = await stages.run(goal === "ready" ? "Waiting until the guest is ready" : "Waiting until it runs", (stage) =>
      waitUntil(session, host, {
        uid: view.uid,
        timeoutMs,
        goal: goal === "ready" ? "to be ready" : "to run",
        reached,
        onChange: (seen) => stage.update(seen.message === "" ? seen.phase : `${seen.phase}: ${seen.message}`),
      }),
    );
  }
  await printOne(session, view, presentation(session.clock.nowMs(), true));
  return undefined;
}

async function describedSpec(invocation: Invocation, session: Session): Promise<Spec> {
  const { flags, positionals } = invocation;
  const path = flags.text("file");
  const file =
    path === undefined
      ? undefined
      : await parseSpec(await readSpec(path, session), path === "-" ? "standard input" : path);
  const context = flags.given("namespace")
    ? undefined
    : await currentContext(session.terminal.env, flags.text("context"));
  return specFromFlags(flags, {
    file,
    name: positionals[0],
    namespace: context?.namespace ?? "default",
    metadata: await metadata(invocation, session, file),
  });
}

async function metadata(
  invocation: Invocation,
  session: Session,
  file: Spec | undefined,
): Promise<Readonly<Record<string, string>>> {
  const { flags } = invocation;
  const result: Record<string, string> = {};
  for (const text of flags.list("metadata")) {
    const [key = "", path] = [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
    if (!text.includes("=") || key === "") throw usage(`--metadata '${text}' must be written key=file`);
    result[key] = (await readBytes(path, "--metadata")).toString("base64");
  }
  const userDataFile = flags.text("user-data");
  const inFile = file?.metadata["user-data"];
  const given =
    userDataFile !== undefined
      ? (await readBytes(userDataFile, "--user-data")).toString("utf8")
      : inFile === undefined
        ? undefined
        : Buffer.from(inFile, "base64").toString("utf8");
  const keys: string[] = [];
  for (const text of flags.list("ssh-key")) keys.push(...(await keysOf(text, session)));
  const userData = await userDataWith(given, keys);
  if (userData !== undefined && (userDataFile !== undefined || keys.length > 0)) {
    result["user-data"] = Buffer.from(userData, "utf8").toString("base64");
  }
  return result;
}

async function keysOf(text: string, session: Session): Promise<readonly string[]> {
  if (looksLikeKey(text)) return publicKeys(text, "--ssh-key");
  if (text === "platform") {
    const { platformKey } = await import("../platform/ssh-key.ts");
    return publicKeys((await platformKey(session)).publicKey, "the platform's key");
  }
  return publicKeys((await readBytes(text, "--ssh-key")).toString("utf8"), `--ssh-key '${text}'`);
}

async function readSpec(path: string, session: Session): Promise<string> {
  if (path !== "-") return (await readBytes(path, "--file")).toString("utf8");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of session.terminal.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > specLimitBytes) throw usage("standard input is larger than 16 MiB");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readBytes(path: string, flag: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const why =
      cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "does not exist" : "cannot be read";
    throw new PlatformError("REQUEST_INVALID", `${flag}: '${path}' ${why}`, {
      cause,
      remedy: "check the path and its permissions",
    });
  }
}
