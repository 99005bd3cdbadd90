/** Where recipes are found: the shipped ones by name in `images/`, any other by the path of its file. */
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { parseRecipe, type Recipe, type StepKinds } from "./recipe.ts";
import { recipeName } from "./recipe-schema.ts";
import { recipeLimits } from "./recipe-text.ts";
import { suggestion } from "./suggestion.ts";

const extension = ".yaml";

export class RecipeLibrary {
  /** `images/`. */
  readonly directory: string;
  readonly #kinds: StepKinds;
  readonly #read = new Map<string, Promise<Recipe>>();

  constructor(directory: string, kinds: StepKinds) {
    this.directory = directory;
    this.#kinds = kinds;
  }

  /**
   * What a user or a recipe names: a shipped name (`base/debian-12`), or a path, which begins with `./`, `../` or `/` or ends with `.yaml` and is
   * relative to `folder`. Errors: RECIPE_NOT_FOUND, RECIPE_INVALID.
   */
  async load(reference: string, folder: string): Promise<Recipe> {
    const isPath = /^\.{0,2}\//.test(reference) || reference.endsWith(extension);
    if (isPath) return await this.#open(resolve(folder, reference), reference);
    const file = join(this.directory, `${reference}${extension}`);
    if (!recipeName.test(reference) || !(await isFile(file))) {
      const names = await this.names();
      throw new PlatformError("RECIPE_NOT_FOUND", `there is no recipe ${reference}${suggestion(reference, names)}`, {
        details: { recipe: reference },
      });
    }
    const recipe = await this.#open(file, reference);
    if (recipe.document.name === reference) return recipe;
    const message = `${recipe.source.file} is called ${recipe.document.name}: in this folder its name must be ${reference}`;
    throw new PlatformError("RECIPE_INVALID", message);
  }

  /** Names of all recipes of the folder, sorted. Folders called `files` hold what recipes put into images. */
  async names(): Promise<readonly string[]> {
    const files = await readdir(this.directory, { recursive: true }).catch(() => []);
    const names = files.filter((file) => file.endsWith(extension)).map((file) => file.slice(0, -extension.length));
    return names.filter((name) => recipeName.test(name) && !name.split("/").includes("files")).sort();
  }

  #open(path: string, reference: string): Promise<Recipe> {
    const known = this.#read.get(path) ?? this.#parse(path, reference);
    this.#read.set(path, known);
    return known;
  }

  async #parse(path: string, reference: string): Promise<Recipe> {
    let text: string;
    try {
      const { size } = await stat(path);
      // The parser says how long a recipe may be; what is far longer is not even read.
      if (size > 4 * recipeLimits.sizeBytes) {
        throw new PlatformError("RECIPE_INVALID", `${reference} has ${size} bytes: that is no recipe`);
      }
      text = await readFile(path, "utf8");
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT") throw new PlatformError("RECIPE_NOT_FOUND", `there is no file ${path}`);
      throw new PlatformError("RECIPE_INVALID", `${path} cannot be read: ${code}`, { cause: error });
    }
    return parseRecipe(text, await realpath(path), this.#kinds, shown(path));
  }
}

/** Folder of a recipe's file: what its relative paths start from. */
export const recipeFolder = (recipe: Recipe): string => dirname(recipe.file);

/** As short as it can be said from where the user stands. */
function shown(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
