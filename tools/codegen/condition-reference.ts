/** docs/capmvm-conditions.md: every condition and reason that capmvm writes, from the tables that its code is typed by. */

import { conditionReasons, conditionTypes } from "../../packages/capmvm/src/api/conversion/condition-names.ts";
import {
  type ConditionMeaning,
  clusterConditions,
  machineConditions,
  machinePoolConditions,
} from "../../packages/capmvm/src/api/index.ts";

export function conditionReferencePage(): string {
  const renamed = [...conditionTypes].map(([now, before]) => `| \`${now}\` | \`${before}\` |`);
  const reasons = conditionReasons
    .filter(([now, before]) => now !== before)
    .map(([now, before, severity]) => `| \`${now}\` | \`${before}\` | ${severity} |`);
  return `# Conditions of capmvm

Generated from \`packages/capmvm/src/api/v1beta2/conditions.ts\` by \`npm run generate\`.

Conditions say at every moment what is waited for and why: \`kubectl get mvmm NAME -o yaml\`, or \`clusterctl describe cluster\`. The message names the object, host or
field; the reason is for programs. \`Ready\` sums the others up and is what Cluster API mirrors.

${section("MicrovmCluster", clusterConditions)}
${section("MicrovmMachine", machineConditions)}
${section("MicrovmMachinePool", machinePoolConditions)}
## By their names in v1alpha1

Other types and reasons are called the same in both versions. \`True\` has no reason in v1alpha1.

| type | in v1alpha1 |
|---|---|
${renamed.join("\n")}

| reason | in v1alpha1 | severity |
|---|---|---|
${reasons.join("\n")}
`;
}

function section(kind: string, table: Readonly<Record<string, ConditionMeaning>>): string {
  const rows = Object.entries(table).flatMap(([type, { means, reasons }]) => [
    `| **\`${type}\`** | | ${means} |`,
    ...Object.entries(reasons).map(([reason, text]) => `| | \`${reason}\` | ${text} |`),
  ]);
  return `## ${kind}

| type | reason | meaning |
|---|---|---|
${rows.join("\n")}
`;
}
