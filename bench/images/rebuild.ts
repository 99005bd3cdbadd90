/** Building again: with nothing changed, and with one file changed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distribution, round } from "../measure/distribution.ts";
import { buildOnce, rounds, type Say, workFolder } from "./building.ts";
import { generateTree } from "./generated-tree.ts";
import { treeRecipe, treeSize } from "./root-volume.ts";

export async function measureRebuild(say: Say): Promise<Record<string, unknown>> {
  const folder = workFolder();
  mkdirSync(join(folder, "tree"));
  const middle = generateTree(join(folder, "tree"), treeSize);
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(recipe, treeRecipe());
  writeFileSync(join(folder, "note"), "0");
  const build = (): ReturnType<typeof buildOnce> =>
    buildOnce({ request: { recipe, cacheDirectory: join(folder, "cache") }, outputs: [] });
  const first = await build();
  const nothing: number[] = [];
  const smallLayer: number[] = [];
  const largeLayer: number[] = [];
  for (let turn = 0; turn < rounds; turn += 1) {
    const again = await build();
    if (!again.cached || again.digest !== first.digest) throw new Error("a build without changes was no cache hit");
    nothing.push(again.wallMs);
    writeFileSync(join(folder, "note"), `${turn + 1}`);
    const note = await build();
    writeFileSync(middle, `changed in turn ${turn + 1}`);
    const tree = await build();
    for (const [what, { made }] of Object.entries({ note, tree })) {
      if (made !== 1) throw new Error(`${made} layers were made for a change of one file (${what})`);
    }
    smallLayer.push(note.wallMs);
    largeLayer.push(tree.wallMs);
    // Back to where every turn begins.
    writeFileSync(join(folder, "note"), "0");
    await build();
    Object.assign(first, await build());
  }
  say(`first ${round(first.wallMs)} ms; nothing changed ${distribution(nothing).p50} ms (goal: under 5000)`);
  say(
    `one file changed: in a small layer ${distribution(smallLayer).p50} ms, in the large one ${distribution(largeLayer).p50} ms`,
  );
  return {
    firstMs: round(first.wallMs),
    nothingChangedMs: distribution(nothing),
    oneFileOfASmallLayerMs: distribution(smallLayer),
    oneFileOfTheLargeLayerMs: distribution(largeLayer),
  };
}
