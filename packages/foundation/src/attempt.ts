/** The border between code that throws and ports that return values. */
import { PlatformError } from "./platform-error.ts";
import { err, ok, type Result } from "./result.ts";

/**
 * Runs `work`; a thrown `PlatformError` (and an abort, as `CANCELLED`) becomes a failure value.
 * Anything else is a defect and is thrown on.
 */
export async function attempt<T>(work: () => Promise<T>): Promise<Result<T, PlatformError>> {
  try {
    return ok(await work());
  } catch (error) {
    if (error instanceof PlatformError) return err(error);
    if (error instanceof Error && error.name === "AbortError") return err(PlatformError.from(error));
    throw error;
  }
}
