/** `node/kubernetes` from cold caches, then another version with what the first one left. Takes the better part of an hour on two cores. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { round } from "../measure/distribution.ts";
import { buildOnce, type Say, workFolder } from "./building.ts";

const versions = (process.env["BENCH_KUBERNETES"] ?? "1.36.3,1.35.4").split(",");

export async function measureKubernetesNode(say: Say): Promise<Record<string, unknown>> {
  const folder = workFolder();
  // Go's own caches are cold too; modules are downloaded again.
  for (const name of ["cache", "go-build", "go-modules"]) mkdirSync(join(folder, name));
  process.env["GOCACHE"] = join(folder, "go-build");
  process.env["GOMODCACHE"] = join(folder, "go-modules");
  const figures: Record<string, unknown> = {};
  for (const [index, version] of versions.entries()) {
    const request = {
      recipe: "node/kubernetes",
      parameters: { kubernetes: version },
      cacheDirectory: join(folder, "cache"),
    };
    const built = await buildOnce({ request, outputs: [] });
    const again = await buildOnce({ request, outputs: [] });
    say(
      `${version}: ${round(built.wallMs / 60_000)} min${index === 0 ? " from cold caches (goal: under 20)" : ""}, ${round(built.sizeBytes / 2 ** 20)} MiB; again ${round(again.wallMs)} ms (goal: under 5000)`,
    );
    figures[version] = {
      wallMs: round(built.wallMs),
      cpuMs: round(built.cpuMs),
      sizeBytes: built.sizeBytes,
      layersMade: built.made,
      againMs: round(again.wallMs),
    };
  }
  return figures;
}
