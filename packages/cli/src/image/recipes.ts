/** `lm image recipes`: the recipes that come with this program. */
import { PlatformError } from "@liquidmetal/foundation";
import { type Presentation, printList, printOne, renderFields } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { suggestion } from "../program/suggestion.ts";
import type { ImageBuilder, Parameter, RecipeSummary } from "./builder-port.ts";

const presentation: Presentation<RecipeSummary> = {
  columns: [
    { header: "NAME", value: (recipe) => recipe.name },
    { header: "TITLE", value: (recipe) => recipe.title, elastic: true },
    { header: "PARAMETERS", value: (recipe) => Object.keys(recipe.parameters).join(",") || "-" },
    { header: "ARCHITECTURES", value: (recipe) => recipe.architectures.join(",") },
    { header: "FILE", value: (recipe) => recipe.path, wide: true },
  ],
  json: (recipe) => ({
    name: recipe.name,
    title: recipe.title,
    description: recipe.description,
    architectures: recipe.architectures,
    parameters: Object.fromEntries(
      Object.entries(recipe.parameters).map(([name, parameter]) => [
        name,
        {
          description: parameter.description,
          default: parameter.default ?? null,
          pattern: parameter.pattern ?? null,
          tested: parameter.tested ?? [],
        },
      ]),
    ),
    path: recipe.path,
  }),
  name: (recipe) => recipe.name,
};

export async function showRecipes(
  invocation: Invocation,
  session: Session,
  builder: Pick<ImageBuilder, "recipes">,
): Promise<number | undefined> {
  const [name] = invocation.positionals;
  const recipes = await builder.recipes();
  if (name === undefined) {
    await printList(session, recipes, presentation);
    return undefined;
  }
  const recipe = recipes.find((each) => each.name === name);
  if (recipe === undefined) throw unknownRecipe(name, recipes);
  await printOne(session, recipe, presentation, describe);
  return undefined;
}

function unknownRecipe(name: string, recipes: readonly RecipeSummary[]): PlatformError {
  const near = suggestion(
    name,
    recipes.map((recipe) => recipe.name),
  );
  return new PlatformError("RECIPE_NOT_FOUND", `there is no recipe '${name}'`, {
    remedy: near === undefined ? "see 'lm image recipes'" : `did you mean ${near}?`,
  });
}

function describe(recipe: RecipeSummary): string {
  return renderFields([
    ["Name", recipe.name],
    ["Title", recipe.title],
    ["Description", recipe.description.trim()],
    ["Architectures", recipe.architectures.join(", ")],
    ["Parameters", Object.entries(recipe.parameters).map(parameterText).join("\n")],
    ["File", recipe.path],
  ]);
}

function parameterText([name, parameter]: readonly [string, Parameter]): string {
  const facts = [
    parameter.default === undefined ? "must be given" : `default ${parameter.default}`,
    ...(parameter.tested === undefined || parameter.tested.length === 0
      ? []
      : [`tested ${parameter.tested.join(", ")}`]),
  ];
  return `${name}: ${parameter.description} (${facts.join("; ")})`;
}
