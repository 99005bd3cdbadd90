/** docs/image-recipes.md: what a recipe may say, from the schemas that check it. */
import { publishedRecipeSchema } from "../../packages/image-builder/src/recipe-language/published-schema.ts";

/** As much of a JSON schema as zod writes for these fields. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly (string | number)[];
  readonly const?: string | number | boolean;
}

/** What stands beside the kind of a layer. */
const besideKinds = ["name", "architecture"];

export function recipeReferencePage(): string {
  const { properties = {}, required = [] } = JSON.parse(publishedRecipeSchema()) as Schema;
  const { layers, ...header } = properties;
  const kinds = (layers?.items?.anyOf ?? []).flatMap((layer) =>
    Object.entries(layer.properties ?? {}).filter(([name]) => !besideKinds.includes(name)),
  );
  const sections = kinds
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => {
      const written = schema.type === "array" ? "A list; of each entry:" : "A mapping:";
      return `### ${name}\n\n${schema.description ?? ""}\n\n${written}\n\n${table(rowsOf(schema, ""))}`;
    });
  return `# Reference of image recipes

Generated from the schemas in \`packages/image-builder/src\` by \`npm run generate\`. [images.md](images.md) tells how a recipe is written. Editors that know
YAML schemas complete recipes with \`docs/schema/recipe.schema.json\`.

Strings may hold \`\${NAME}\` of a parameter, a table or \`architecture\`; in \`version\`, \`labels\` and \`boot\` also \`\${facts.NAME}\`, which steps find out. Unknown keys are errors.

## The header

${table(rowsOf({ type: "object", properties: header, required }, ""))}
## Layers

\`layers\` is a list, from the bottom up. Each entry is a mapping with one of the kinds below as its key, and beside it, where wanted, \`name\` (what it is called
in progress and history) and \`architecture\` (\`amd64\` or \`arm64\`: only for this one).

${sections.join("\n")}`;
}

type Row = readonly [name: string, form: string, meaning: string];

/** A row for each field, also of fields in fields; \`*\` marks what must be there. */
function rowsOf(schema: Schema, prefix: string): readonly Row[] {
  if (schema.items !== undefined) return rowsOf(schema.items, prefix);
  const variants = schema.anyOf ?? schema.oneOf ?? [];
  if (variants.length > 0) return unique(variants.flatMap((variant) => rowsOf(variant, prefix)));
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, field]): readonly Row[] => {
    const mark = schema.required?.includes(name) === true ? " \\*" : "";
    const row: Row = [`\`${prefix}${name}\`${mark}`, formOf(field), field.description ?? ""];
    return [row, ...rowsOf(field, `${prefix}${name}${isList(field) ? "[]" : ""}.`)];
  });
  const { additionalProperties } = schema;
  const rest = typeof additionalProperties === "object" ? rowsOf(additionalProperties, `${prefix}NAME.`) : [];
  return [...own, ...rest];
}

const isList = (schema: Schema): boolean =>
  schema.items !== undefined || (schema.anyOf ?? []).some((variant) => variant.items !== undefined);

function formOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) return [...new Set(variants.map(formOf))].join(" or ");
  if (schema.items !== undefined) return `list of ${formOf(schema.items)}`;
  if (schema.type === "object") {
    const { additionalProperties } = schema;
    return typeof additionalProperties === "object" && schema.properties === undefined
      ? `mapping to ${formOf(additionalProperties)}`
      : "mapping";
  }
  const words: Readonly<Record<string, string>> = { string: "text", integer: "number", number: "number" };
  return words[schema.type ?? ""] ?? schema.type ?? "anything";
}

function unique(rows: readonly Row[]): readonly Row[] {
  return [...new Map(rows.map((row) => [row[0], row])).values()];
}

function table(rows: readonly Row[]): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
  const lines = rows.map((row) => `| ${row.map(cell).join(" | ")} |\n`);
  return `| field | form | meaning |\n|---|---|---|\n${lines.join("")}\n\\* must be there\n`;
}
