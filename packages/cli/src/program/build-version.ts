/** The version of this program: stamped in by the build, read from package.json in a checkout. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface BuildVersion {
  readonly version: string;
  /** Empty in a checkout. */
  readonly commit: string;
}

/** The build replaces `process.env.LIQUIDMETAL_…`, written just so, by text. */
interface Stamped {
  readonly env: { readonly LIQUIDMETAL_VERSION?: string; readonly LIQUIDMETAL_COMMIT?: string };
}

export function buildVersion(): BuildVersion {
  const { process } = globalThis as unknown as { readonly process: Stamped };
  return {
    version: process.env.LIQUIDMETAL_VERSION ?? checkoutVersion(),
    commit: process.env.LIQUIDMETAL_COMMIT ?? "",
  };
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
