/** What a build would do, as the command line shows it. */
import type { Presentation } from "../output/print.ts";
import { type Column, renderTable } from "../output/table.ts";
import { readableBytes } from "../program/size.ts";
import type { Plan, PlannedLayer } from "./builder-port.ts";

export const planPresentation: Presentation<Plan> = {
  columns: [],
  json: (plan) => ({
    image: plan.image,
    reference: plan.reference,
    platforms: plan.platforms.map(({ architecture, cached, layers }) => ({
      platform: `linux/${architecture}`,
      cached,
      layers: layers.map((layer) => ({
        name: layer.name,
        kind: layer.kind,
        cached: layer.cached,
        sizeBytes: layer.sizeBytes ?? null,
        inputs: layer.inputs,
      })),
    })),
  }),
  name: (plan) => plan.reference,
};

const columns: readonly Column<PlannedLayer>[] = [
  { header: "LAYER", value: (layer) => layer.name },
  { header: "KIND", value: (layer) => layer.kind },
  { header: "STATE", value: (layer) => (layer.cached ? "cached" : "to build") },
  { header: "SIZE", value: (layer) => (layer.sizeBytes === undefined ? "-" : readableBytes(layer.sizeBytes)) },
  { header: "INPUTS", value: (layer) => String(layer.inputs) },
];

export function describePlan(plan: Plan): string {
  const parts = plan.platforms.map(({ architecture, cached, layers }) => {
    const open = layers.filter((layer) => !layer.cached).length;
    const state = cached
      ? "nothing to do"
      : open === 0
        ? "only to put together"
        : `${open} of ${layers.length} layers to build`;
    return `linux/${architecture}: ${state}\n${renderTable(layers, columns)}`;
  });
  return `${plan.image}\n\n${parts.join("\n")}`;
}
