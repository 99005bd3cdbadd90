/** Brings the platform up with what the flags say, over what was said before. */
import { PlatformError } from "@liquidmetal/foundation";
import { defaultConfiguration, type PlatformConfiguration, readConfiguration } from "@liquidmetal/platform";
import { up } from "@liquidmetal/platform/lifecycle";
import type { Invocation } from "../program/command.ts";
import { type FlagValues, usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { localGuests } from "./guests.ts";
import { sessionPaths } from "./paths.ts";
import { showStatus } from "./status.ts";

export async function upPlatform(invocation: Invocation, session: Session): Promise<number | undefined> {
  const paths = sessionPaths(session);
  if (process.getuid?.() !== 0) {
    throw new PlatformError("UNAUTHENTICATED", "bringing the platform up needs root", { remedy: "run it with sudo" });
  }
  const before = await readConfiguration(paths);
  const configuration = configured(before ?? defaultConfiguration, invocation.flags);
  using stages = session.stages();
  await up({
    paths,
    configuration,
    progress: stages,
    signal: session.signal,
    guests: {
      stopAll: () => Promise.resolve([]),
      deleteAll: () => Promise.resolve(0),
      startAll: async (uids, stage) => {
        const guests = await localGuests(session, paths.agentSocket);
        try {
          return (await guests?.startAll(uids, stage)) ?? 0;
        } finally {
          guests?.close();
        }
      },
    },
  });
  if (invocation.flags.given("run-dir") || invocation.flags.given("state-dir")) {
    session.note(
      `Other commands find it with LM_STATE_DIR=${paths.stateDirectory} LM_RUN_DIR=${paths.runDirectory} in the environment.`,
    );
  }
  return showStatus(invocation, session);
}

function configured(before: PlatformConfiguration, flags: FlagValues): PlatformConfiguration {
  const containerdProgram = flags.text("containerd") ?? before.containerdProgram;
  const containerdSocket = flags.text("containerd-socket") ?? before.containerdSocket;
  const subnet = flags.text("subnet") ?? before.subnet;
  const grpcEndpoint = flags.text("grpc-endpoint") ?? before.grpcEndpoint;
  const http =
    flags.text("http-endpoint") ?? before.httpEndpoint ?? (flags.on("enable-http") ? "localhost:8090" : undefined);
  const provider = flags.text("provider") ?? before.provider;
  return {
    containerdProgram,
    ...(containerdSocket === undefined || containerdSocket === "" ? {} : { containerdSocket }),
    networkNamespace: choice(flags, "netns", before.networkNamespace),
    egress: choice(flags, "egress", before.egress),
    ...(subnet === undefined ? {} : { subnet }),
    ...(grpcEndpoint === undefined || grpcEndpoint === "" ? {} : { grpcEndpoint }),
    ...(http === undefined || http === "" ? {} : { httpEndpoint: http }),
    ...(provider === undefined ? {} : { provider }),
  };
}

function choice(flags: FlagValues, name: string, otherwise: boolean): boolean {
  const text = flags.text(name);
  if (text === undefined) return otherwise;
  if (text === "" || text === "true") return true;
  if (text === "false") return false;
  throw usage(`--${name}=${text}: write true or false`);
}
