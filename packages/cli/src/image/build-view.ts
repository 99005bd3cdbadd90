/** A built image as the command line shows it; the object of `-o json` is described in docs/cli-output.md. */
import { type Presentation, renderFields } from "../output/print.ts";
import { elapsed } from "../program/duration.ts";
import { readableBytes } from "../program/size.ts";
import type { Built } from "./builder-port.ts";

export interface WrittenView {
  /** As it was asked for: `oci:DIR`, `containerd`. */
  readonly output: string;
  readonly references: readonly string[];
  readonly digest: string;
}

export interface BuiltView {
  readonly built: Built;
  readonly outputs: readonly WrittenView[];
}

export const builtPresentation: Presentation<BuiltView> = {
  columns: [
    { header: "REFERENCE", value: ({ built }) => built.reference, elastic: true },
    { header: "DIGEST", value: ({ built }) => built.digest },
    { header: "SIZE", value: ({ built }) => readableBytes(built.sizeBytes) },
  ],
  json: ({ built, outputs }) => ({
    reference: built.reference,
    references: built.references,
    digest: built.digest,
    sizeBytes: built.sizeBytes,
    platforms: built.manifests.map(({ architecture, digest }) => ({ platform: `linux/${architecture}`, digest })),
    labels: built.labels,
    cached: built.cached,
    durationMs: Math.round(built.durationMs),
    layout: built.layout,
    outputs: outputs.map(({ output, references, digest }) => ({ output, references, digest })),
  }),
  name: ({ built }) => built.reference,
};

export function describeBuilt({ built, outputs }: BuiltView): string {
  return renderFields([
    ["Reference", built.reference],
    ["Digest", built.digest],
    ["Size", readableBytes(built.sizeBytes)],
    [
      "Platforms",
      built.manifests
        .map(({ architecture, digest }) => `linux/${architecture}${built.manifests.length > 1 ? `  ${digest}` : ""}`)
        .join("\n"),
    ],
    ["Time", built.cached ? `${elapsed(built.durationMs)}, all of it cached` : elapsed(built.durationMs)],
    ["Kept in", built.layout],
    [
      "Outputs",
      outputs.map(({ output, references }) => [output, ...references.map((name) => `  ${name}`)].join("\n")).join("\n"),
    ],
  ]);
}
