/** Brings the platform up with what the flags say, over what was said before. */
import { PlatformError } from "@liquidmetal/foundation";
import { defaultConfiguration, readConfiguration } from "@liquidmetal/platform";
import { up } from "@liquidmetal/platform/lifecycle";
import { localToken } from "../client/open.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { configured } from "./choices.ts";
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
        const guests = await localGuests(session, paths.agentSocket, await localToken(paths));
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
