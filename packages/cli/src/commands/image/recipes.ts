/** `lm image recipes`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "recipes"],
  summary: "List the recipes that come with lm, or show one",
  positionals: [{ name: "NAME", summary: "recipe to show", required: false, complete: "recipe" }],
  flags: [],
  examples: ["lm image recipes", "lm image recipes node/kubernetes"],
  run: async (invocation, session) => {
    const [{ showRecipes }, { libraryBuilder }] = await Promise.all([
      import("../../image/recipes.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return showRecipes(invocation, session, libraryBuilder());
  },
};
