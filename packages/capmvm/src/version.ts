/** The version of this build; a release stamps it in, a checkout says so. */
export const ownVersion: { readonly version: string; readonly commitHash: string } = {
  version: process.env["LIQUIDMETAL_VERSION"] ?? "0.1.0-dev",
  commitHash: process.env["LIQUIDMETAL_COMMIT"] ?? "undefined",
};
