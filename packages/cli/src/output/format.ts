/** The forms of output. `table` and `wide` are for people and may change; `json`, `yaml` and `name` are a contract (docs/cli-output.md). */

export const outputFormats = ["table", "wide", "json", "yaml", "name"] as const;

export type OutputFormat = (typeof outputFormats)[number];

export function isOutputFormat(text: string): text is OutputFormat {
  return outputFormats.some((format) => format === text);
}

/** Plain JSON data. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
