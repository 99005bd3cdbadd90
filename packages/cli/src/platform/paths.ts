/** Which platform a command means. */
import { type PlatformPaths, platformPaths } from "@liquidmetal/platform";
import { platformName, setting } from "../client/open.ts";
import type { FlagValues } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";

/** Of the commands with --name, --state-dir and --run-dir. */
export function sessionPaths(session: Session, flags: FlagValues = session.flags): PlatformPaths {
  return platformPaths(flags.text("name") ?? platformName(session), {
    stateDirectory: flags.text("state-dir") ?? setting(session.terminal.env, "LM_STATE_DIR"),
    runDirectory: flags.text("run-dir") ?? setting(session.terminal.env, "LM_RUN_DIR"),
  });
}

/** Of any other command: by --platform and the environment. */
export { localPlatform as localPaths } from "../client/open.ts";
