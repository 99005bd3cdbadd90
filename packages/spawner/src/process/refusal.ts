/** The error of the spawner's process: a code of the catalogue and a text. Kept free of imports, so that the process stays small. */
import type { ErrorCode } from "@liquidmetal/foundation";

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Code of a system error (`ENOENT`), or an empty text. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
