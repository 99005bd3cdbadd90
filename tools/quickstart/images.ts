/** Images of the quickstart: built (or taken from the cache), and brought into the platform's containerd. */
import type { Walk } from "./walk.ts";

/** As `lm image build -o json` tells it. */
export interface BuiltImage {
  readonly reference: string;
  /** OCI layout directory. */
  readonly layout: string;
  readonly cached: boolean;
  readonly sizeBytes: number;
}

/** One after the other: each of them uses all processors where it compiles. */
export function buildImages(walk: Walk, title: string, recipes: readonly string[]): Promise<readonly BuiltImage[]> {
  return walk.stage(
    title,
    async (_stage, report) => {
      const built: BuiltImage[] = [];
      for (const [index, recipe] of recipes.entries()) {
        const which = `${index + 1} of ${recipes.length}`;
        // Its own lines begin with what this stage is called by.
        const onLine = (line: string): void => report(line.replace(/^Building \S+: /, `${which}: `));
        built.push(JSON.parse(await walk.lm(["image", "build", recipe, "-o", "json"], { onLine })) as BuiltImage);
      }
      return built;
    },
    (built) => (built.every(({ cached }) => cached) ? "cached" : "built"),
  );
}

/** Those that are there already are left alone. */
export function importImages(walk: Walk, images: readonly BuiltImage[]): Promise<number> {
  return walk.stage(
    "Images into containerd",
    async (stage) => {
      const listed = await walk.lm(["image", "list", "-o", "name"]);
      const present = new Set(listed.split("\n").map((line) => line.trim()));
      const missing = images.filter(({ reference }) => !present.has(reference));
      for (const [index, image] of missing.entries()) {
        const size = `${Math.round(image.sizeBytes / 1_048_576)} MiB`;
        stage.update(`${index + 1} of ${missing.length}: ${image.reference}, ${size}`);
        await walk.lm(["image", "import", image.layout]);
      }
      return missing.length;
    },
    (count) => (count === 0 ? "all there" : `${count} imported`),
  );
}
