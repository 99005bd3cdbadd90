/** The version of this program: stamped in by the build, read from package.json in a checkout. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface BuildVersion {
  readonly version: string;
  /** Empty in a checkout. */
  readonly commit: string;
}

/** The build replaces these two expressions by text. */
export function buildVersion(): BuildVersion {
  const version = process.env["LIQUIDMETAL_VERSION"];
  const commit = process.env["LIQUIDMETAL_COMMIT"];
  return { version: version ?? checkoutVersion(), commit: commit ?? "" };
}

function checkoutVersion(): string {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(import.meta.dirname, "../../../../package.json"), "utf8"));
    const version =
      typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;
    return typeof version === "string" ? version : "unknown";
  } catch {
    return "unknown";
  }
}
