/** Why the way to a host is not known. `details.problem` tells what is missing from what is there and cannot be used. */
import { PlatformError } from "@liquidmetal/foundation";

export function accessProblem(problem: "missing" | "invalid", message: string, remedy: string): PlatformError {
  return new PlatformError("HOST_ACCESS_INVALID", message, { details: { problem }, remedy });
}
