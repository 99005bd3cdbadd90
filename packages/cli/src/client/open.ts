/** Opens the host that the flags, the environment, the context or the local platform name, in this order. */
import { readFile } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { type PlatformPaths, platformPaths, readConfiguration } from "@liquidmetal/platform";
import { currentContext, type HostContext } from "../context/context-file.ts";
import type { Session } from "../program/session.ts";
import { grpcHostClient } from "./grpc-host-client.ts";
import { parseHostAddress, type TlsFiles } from "./host-address.ts";
import type { HostClient } from "./host-client.ts";

const tokenLimitBytes = 64 * 1_024;

export async function openHost(session: Session): Promise<HostClient> {
  const { flags, terminal } = session;
  const named =
    flags.text("host") ??
    (flags.given("context") || namedPlatform(session) !== undefined ? undefined : setting(terminal.env, "LM_HOST"));
  const context =
    named === undefined && namedPlatform(session) === undefined
      ? await currentContext(terminal.env, flags.text("context"))
      : undefined;
  const text = named ?? context?.host ?? `unix:${localPlatform(session).agentSocket}`;
  const tls = await tlsFiles(session, context);
  const insecure = flags.on("insecure") || context?.insecure === true;
  const address = parseHostAddress(text, { insecure, ...(tls === undefined ? {} : { tls }) });
  const given = await token(session, context);
  const ownPlatform = named === undefined && context?.host === undefined;
  return grpcHostClient(address, given ?? (ownPlatform ? await localToken(localPlatform(session)) : undefined));
}

/** A variable of the environment; set to nothing means not set. */
export function setting(env: Session["terminal"]["env"], name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}

/** Name of the local platform meant by this run. */
export function platformName(session: Session): string {
  return namedPlatform(session) ?? setting(session.terminal.env, "LM_PLATFORM") ?? "default";
}

/** By --platform; `linux/amd64` there is what `lm image build` shall build for. */
function namedPlatform(session: Session): string | undefined {
  return session.flags.list("platform").findLast((value) => !value.includes("/"));
}

/** The local platform that a command other than `lm up|down|status` means: by --platform and the environment. */
export function localPlatform(session: Session): PlatformPaths {
  return platformPaths(platformName(session), {
    stateDirectory: setting(session.terminal.env, "LM_STATE_DIR"),
    runDirectory: setting(session.terminal.env, "LM_RUN_DIR"),
  });
}

/** The token that `lm up --set basic-auth-token=…` gave to the local platform; `undefined` for who may not read it. */
export async function localToken(paths: PlatformPaths): Promise<string | undefined> {
  const configuration = await readConfiguration(paths).catch(() => undefined);
  return configuration?.settings?.["basic-auth-token"];
}

async function tlsFiles(session: Session, context: HostContext | undefined): Promise<TlsFiles | undefined> {
  const ca = session.flags.text("tls-ca") ?? context?.tlsCa;
  const cert = session.flags.text("tls-cert") ?? context?.tlsCert;
  const key = session.flags.text("tls-key") ?? context?.tlsKey;
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) {
    throw new PlatformError("REQUEST_INVALID", "--tls-cert and --tls-key go together", {
      remedy: "give both, or none",
    });
  }
  return {
    ...(ca === undefined ? {} : { ca: await readInput(ca, "--tls-ca") }),
    ...(cert === undefined ? {} : { cert: await readInput(cert, "--tls-cert") }),
    ...(key === undefined ? {} : { key: await readInput(key, "--tls-key") }),
  };
}

async function token(session: Session, context: HostContext | undefined): Promise<string | undefined> {
  const file = session.flags.text("token-file");
  if (file !== undefined) return (await readInput(file, "--token-file")).toString("utf8").trim();
  const fromEnvironment = session.terminal.env["LM_TOKEN"];
  if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
  if (context?.tokenFile === undefined) return undefined;
  return (await readInput(context.tokenFile, "the context's token file")).toString("utf8").trim();
}

async function readInput(path: string, what: string): Promise<Buffer> {
  try {
    const content = await readFile(path);
    if (content.length <= tokenLimitBytes * 16) return content;
  } catch (cause) {
    throw new PlatformError("REQUEST_INVALID", `${what}: '${path}' cannot be read`, {
      cause,
      remedy: "check the path and its permissions",
    });
  }
  throw new PlatformError("REQUEST_INVALID", `${what}: '${path}' is larger than 1 MiB`, {
    remedy: "name the right file",
  });
}
