/** ssh to a microVM, through the network namespace in which it lives. */
import { existsSync } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import { platformKey } from "../platform/ssh-key.ts";
import type { Invocation } from "../program/command.ts";
import { runInForeground } from "../program/foreground.ts";
import type { Session } from "../program/session.ts";
import { findMicroVm } from "./target.ts";
import type { MicroVmView } from "./view.ts";

/** What sends ssh from here to the guest. */
export interface SshRoute {
  /** All that the guest has: the one that answers is taken, since not all need be reachable from here. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly networkNamespace: string;
  readonly connectTimeoutMs: number;
}

const sshFailed = 255;

export async function sshToMicroVm(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const [name = "", ...command] = positionals;
  const host = await session.host();
  const view = await findMicroVm(session, host, name);
  const facts = host.local ? await host.host({ signal: session.signal }) : undefined;
  const key = host.local ? await platformKey(session) : undefined;
  const route: SshRoute = {
    addresses: addressesOf(view),
    port: flags.integer("port", { min: 1, max: 65_535 }) ?? 22,
    networkNamespace: facts?.networkNamespace ?? "",
    connectTimeoutMs: flags.durationMs("timeout") ?? 30_000,
  };
  const identity = flags.text("identity");
  const keys = [...(identity === undefined ? [] : [identity]), ...(key === undefined ? [] : [key.privateKeyPath])];
  const args = [
    ...sshOptions(route, view.uid, key?.knownHostsPath, keys),
    ...(session.quiet ? ["-q"] : []),
    ...(session.terminal.stdin.isTTY === true && command.length === 0 ? ["-t"] : []),
    "-l",
    flags.text("login") ?? "root",
    view.name,
    ...(command.length === 0 ? [] : ["--", ...command]),
  ];
  host.close();
  const code = await runInForeground(
    { program: "ssh", name: "ssh", args, remedy: "install the package openssh-client" },
    session,
  );
  // 255 is ssh's own failure (or, rarely, the command's).
  if (code === sshFailed) {
    session.note("hint:  a guest lets in only the keys it was created with: see --ssh-key of 'lm vm create'");
  }
  return code;
}

/** Options of ssh. `uid`: the name under which the guest's host key is kept, since addresses are handed out again. */
export function sshOptions(
  route: SshRoute,
  uid: string,
  knownHostsPath: string | undefined,
  keys: readonly string[],
): readonly string[] {
  const seconds = Math.max(1, Math.round(route.connectTimeoutMs / 1_000));
  const options = [
    `Port=${route.port}`,
    `HostKeyAlias=${uid}`,
    "StrictHostKeyChecking=accept-new",
    `ConnectTimeout=${seconds}`,
    "ServerAliveInterval=15",
    "LogLevel=ERROR",
    "UpdateHostKeys=no",
    ...(knownHostsPath === undefined ? [] : [`UserKnownHostsFile=${knownHostsPath}`]),
    ...keys.map((path) => `IdentityFile=${path}`),
    `ProxyCommand=${proxyCommand(route)}`,
  ];
  return options.flatMap((option) => ["-o", option]);
}

/** nsenter is in util-linux, on every machine; the connection itself is made by this very program. */
function proxyCommand(route: SshRoute): string {
  const path = `/run/netns/${route.networkNamespace}`;
  const enter = route.networkNamespace !== "" && existsSync(path) ? ["nsenter", `--net=${path}`, "--"] : [];
  const self = [process.execPath, "--disable-warning=ExperimentalWarning", process.argv[1] ?? ""];
  const seconds = Math.max(1, Math.round(route.connectTimeoutMs / 1_000));
  const words = [
    ...enter,
    ...self,
    "_connect",
    "--timeout",
    `${seconds}s`,
    route.addresses.join(","),
    String(route.port),
  ];
  // ssh expands % in this option, and hands it to a shell.
  return `${words.map((word) => `'${word.replaceAll("'", "'\\''").replaceAll("%", "%%")}'`).join(" ")}`;
}

/** A guest in one of these phases has an ssh server, or will have one soon. */
const reachable: ReadonlySet<string> = new Set(["pending", "preparing", "starting", "running"]);

function addressesOf(view: MicroVmView): readonly string[] {
  const name = `${view.namespace}/${view.name}`;
  if (!reachable.has(view.phase)) {
    throw new PlatformError("PHASE_CONFLICT", `microVM ${name} is ${view.phase}: nobody would answer`, {
      remedy: remedyOf(view),
    });
  }
  if (view.addresses.length > 0) return view.addresses;
  throw new PlatformError("PHASE_CONFLICT", `microVM ${name} has no known address (it is ${view.phase})`, {
    remedy: "wait until it is ready, and see that it has an interface: 'lm vm describe'",
  });
}

function remedyOf(view: MicroVmView): string {
  const name = `${view.namespace}/${view.name}`;
  if (view.phase === "stopped") return `start it with 'lm vm start ${name}'`;
  if (view.phase === "paused") return `let it run on with 'lm vm resume ${name}'`;
  return `see why with 'lm vm describe ${name}'`;
}
