/** Builds one recipe in a process of its own, and says how long the building itself took. Its argument: a request as JSON, with outputs. */
import { type BuildRequest, buildRecipe, writeOutput } from "@liquidmetal/image-builder";

export interface BuildOnce {
  readonly request: Omit<BuildRequest, "onEvent" | "signal">;
  /** As in `ext4:FILE` or `oci:DIRECTORY`. */
  readonly outputs: readonly string[];
}

export interface BuiltOnce {
  /** Building and writing the outputs, without the start of the process. */
  readonly insideMs: number;
  readonly cached: boolean;
  readonly digest: string;
  readonly sizeBytes: number;
  /** `name=version` of the Debian packages in it. */
  readonly debianPackages: readonly string[];
  /** Layers that were made and not taken from the cache. */
  readonly made: number;
  readonly peakResidentMiB: number;
}

if (import.meta.main) {
  const { request, outputs }: BuildOnce = JSON.parse(process.argv[2] ?? "");
  const made = new Set<string>();
  const startedMs = performance.now();
  const built = await buildRecipe({
    ...request,
    onEvent: ({ image, layer, stage, cached }) => {
      if (stage === "build" && layer !== undefined && cached !== true) made.add(`${image} ${layer}`);
    },
  });
  for (const output of outputs) await writeOutput(built.layout, output);
  const once: BuiltOnce = {
    insideMs: performance.now() - startedMs,
    cached: built.cached,
    digest: built.digest,
    sizeBytes: built.sizeBytes,
    debianPackages: built.software
      .filter(({ purl }) => purl.startsWith("pkg:deb/"))
      .map(({ name, version }) => `${name}=${version}`),
    made: made.size,
    peakResidentMiB: process.resourceUsage().maxRSS / 1024,
  };
  process.stdout.write(JSON.stringify(once));
}
