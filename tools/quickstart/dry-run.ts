/** `-- --dry-run`: what is missing and what would be done. Changes nothing. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { managementSoftware } from "@liquidmetal/management-plane";
import { platformPaths } from "@liquidmetal/platform";
import { plainEnvironment, root } from "./command.ts";
import { type MachineFacts, machineFacts, nodeSizes, whatIsShort } from "./machine-size.ts";
import type { QuickstartOptions } from "./options.ts";
import { clusterRecipes } from "./recipes.ts";

const planTimeoutMs = 120_000;

/** In shell first, because that part also has to work before there are npm packages: `tools/run.sh` calls it then. */
export function sayWhatWouldBeDone({ vm, platform }: QuickstartOptions): number {
  const script = join(root, "tools/setup/dry-run.sh");
  const code = spawnSync("sh", [script, ...(vm ? ["--vm"] : [])], { stdio: "inherit" }).status ?? 1;
  if (vm || code !== 0) return code;
  const facts = machineFacts(platformPaths(platform).stateDirectory);
  process.stdout.write(aboutThisMachine(facts));
  // Where nothing was ever built, nothing is cached.
  if (!facts.cold) for (const recipe of clusterRecipes) process.stdout.write(`${plannedImage(recipe)}\n`);
  return 0;
}

/** What can be told without asking anybody. */
export function aboutThisMachine(facts: MachineFacts): string {
  const { controlPlaneMemoryMiB, workerMemoryMiB } = nodeSizes(facts);
  const software = managementSoftware.flatMap(({ programs, version }) =>
    Object.keys(programs).map((name) => `${name} ${version}`),
  );
  const lines = [
    `Programs that are compiled once, then taken from the cache: ${software.join(", ")}.`,
    facts.cold
      ? "None was compiled yet: that takes some 20 minutes on two processors, and downloads about 2 GiB of sources and packages."
      : "The cache has programs already: what is in it is not compiled again.",
    `Of this machine's ${facts.memoryMiB} MiB the control plane would get ${controlPlaneMemoryMiB}, the worker ${workerMemoryMiB}.`,
    ...whatIsShort(facts).map((short) => `Not enough room now: ${short}.`),
  ];
  return `${lines.join("\n")}\n`;
}

interface Plan {
  readonly platforms: readonly {
    readonly cached: boolean;
    readonly layers: readonly { readonly name: string; readonly cached: boolean }[];
  }[];
}

function plannedImage(recipe: string): string {
  const planned = spawnSync(join(root, "bin/lm"), ["image", "build", recipe, "--plan", "-o", "json"], {
    encoding: "utf8",
    timeout: planTimeoutMs,
    env: plainEnvironment(process.env),
  });
  if (planned.status !== 0) return `Would build ${recipe}.`;
  return sayPlan(recipe, JSON.parse(planned.stdout) as Plan);
}

export function sayPlan(recipe: string, { platforms }: Plan): string {
  if (platforms.every(({ cached }) => cached)) return `Would take ${recipe} from the cache.`;
  const layers = platforms.flatMap((platform) => platform.layers).filter(({ cached }) => !cached);
  const names =
    layers.length === 0 ? "its description alone" : `its layers ${layers.map(({ name }) => name).join(", ")}`;
  return `Would build ${recipe}: ${names}.`;
}
