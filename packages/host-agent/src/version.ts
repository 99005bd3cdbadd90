/** The version of this build; a release stamps it in, a checkout says so. */
import type { VersionInfo } from "./config/index.ts";

export const ownVersion: VersionInfo = {
  version: process.env["LIQUIDMETAL_VERSION"] ?? "0.1.0-dev",
  commitHash: process.env["LIQUIDMETAL_COMMIT"] ?? "undefined",
  buildDate: process.env["LIQUIDMETAL_BUILD_DATE"] ?? "undefined",
};
