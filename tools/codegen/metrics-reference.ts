/** docs/metrics.md: what flintlockd and capmvm count, from the registries that they serve. */
import { RuntimeMetrics } from "@liquidmetal/kubernetes";
import { createPrometheusMetrics } from "../../packages/host-agent/src/observability/prometheus.ts";

export async function metricsReferencePage(): Promise<string> {
  const agent = createPrometheusMetrics({ version: "", processMetrics: false });
  const provider = new RuntimeMetrics();
  return `# Metrics

Generated from the programs' own registries by \`npm run generate\`. Both speak Prometheus' text format, and both have what Prometheus' client for Node counts of
every process besides (\`process_*\`, \`nodejs_*\`).

## flintlockd

\`/metrics\` at \`debug-endpoint\` ([configuration](configuration.md)), which is off unless it is set; \`/healthz\` there answers \`200 ok\` while the agent's work goes
on and \`503 stuck\` when it stands still. Neither asks who is there: give it a loopback address, a Unix socket, or a network of its own.

${tableOf(await agent.text())}
## capmvm

\`/metrics\` at \`--diagnostics-address\` (\`:8443\`), by HTTPS and for those who may \`get\` the non-resource URL \`/metrics\` in the management cluster. The names are those of
controller-runtime and client-go, so that dashboards and alerts made for these work.

${tableOf(await provider.registry.metrics())}`;
}

function tableOf(exposition: string): string {
  const types = new Map(
    [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]),
  );
  const rows = [...exposition.matchAll(/^# HELP (\S+) (.*)$/gm)]
    .map(([, name = "", help = ""]) => `| \`${name}\` | ${types.get(name) ?? ""} | ${help.replaceAll("|", "\\|")} |\n`)
    .toSorted();
  return `| name | type | meaning |\n|---|---|---|\n${rows.join("")}`;
}
