/** Reference pages that are generated from code, so that they cannot lie. Each is a pure function of what it describes. */

import { grpcStatusOf, httpStatusOf } from "@liquidmetal/api";
import { type ErrorCode, type ErrorEntry, errorCatalogue } from "@liquidmetal/foundation";
import { configKeys, keyNames } from "../../packages/host-agent/src/config/keys.ts";
import { publishedRecipeSchema } from "../../packages/image-builder/src/recipe-language/published-schema.ts";
import { capmvmManifests } from "./capmvm-manifests.ts";
import { conditionReferencePage } from "./condition-reference.ts";
import { metricsReferencePage } from "./metrics-reference.ts";
import { recipeReferencePage } from "./recipe-reference.ts";

export interface Page {
  readonly path: string;
  readonly text: string;
}

/** Registries write their text asynchronously. */
const metricsPage = await metricsReferencePage();

export function generatedPages(): readonly Page[] {
  return [
    { path: "docs/errors.md", text: errorsPage() },
    { path: "docs/configuration.md", text: configurationPage() },
    { path: "docs/schema/recipe.schema.json", text: publishedRecipeSchema() },
    { path: "docs/image-recipes.md", text: recipeReferencePage() },
    { path: "docs/capmvm-conditions.md", text: conditionReferencePage() },
    { path: "docs/metrics.md", text: metricsPage },
    ...capmvmManifests(),
  ];
}

function errorsPage(): string {
  const rows = Object.entries(errorCatalogue)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([code, entry]) => errorRow(code as ErrorCode, entry));
  return `# Errors

Generated from \`packages/foundation/src/error-catalogue.ts\` by \`npm run generate\`.

Every failure carries one of these codes: in gRPC as the trailing metadata \`liquidmetal-error-code\`, in the status of a microVM as its reason
(in CamelCase: \`IMAGE_NOT_FOUND\` becomes \`ImageNotFound\`), in the log as \`code\`. Branch on the code, never on the text.

**Retry** is what the agent does by itself when a step of a microVM fails with it: \`backoff\` tries again, later and later; \`after-change\` waits until something
changed (and tries slowly); \`never\` waits for a word from you.

| code | meaning | what to do | retry | gRPC | HTTP |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

function errorRow(code: ErrorCode, entry: ErrorEntry): string {
  return `| \`${code}\` | ${entry.summary} | ${entry.remedy} | ${entry.retry} | ${grpcStatusOf(code)} | ${httpStatusOf(code)} |`;
}

function configurationPage(): string {
  const rows = keyNames()
    .filter((name) => configKeys[name].hidden !== true)
    .map(
      (name) =>
        `| \`${name}\` | ${configKeys[name].fallback === "" ? "" : `\`${configKeys[name].fallback}\``} | ${configKeys[name].help} |`,
    );
  return `# Configuration of flintlockd

Generated from \`packages/host-agent/src/config/keys.ts\` by \`npm run generate\`.

Every key is a flag (\`--key value\`), a key of the configuration file (\`key: value\`), and an environment variable (\`FLINTLOCKD_KEY\`, hyphens as underscores).
A flag comes before the environment, the environment before the file, the file before the default. Unknown keys are errors.
\`flintlockd config show --origin\` prints every value and where it came from.

The file is \`--config PATH\`, else \`config.yaml\` in \`/etc/opt/flintlockd\` or in \`flintlockd\` below the XDG configuration directory.

| key | default | meaning |
|---|---|---|
${rows.join("\n")}
`;
}
