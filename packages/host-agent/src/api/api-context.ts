/** What every service of the API stands on. */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import { unwrap } from "@liquidmetal/foundation";
import type { ImageStore } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Application } from "../engine/application.ts";
import type { Logger } from "../observability/logger.ts";

export interface ApiContext {
  readonly application: Application;
  readonly images: ImageStore;
  readonly config: AgentConfig;
  readonly log: Logger;
}

/** The value, or the error thrown: in the API every expected failure travels to the one place that turns it into a status. */
export function orThrow<T>(result: Result<T, PlatformError>): T {
  return unwrap(result);
}
