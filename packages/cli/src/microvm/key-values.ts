/** `key=value` lists as they come from flags. */
import { usage } from "../program/flag-values.ts";

/** `["a=b", "c"]` → `{a: "b", c: ""}`. `bare`: a key without value is allowed. Throws REQUEST_INVALID naming the flag. */
export function keyValues(
  flag: string,
  texts: readonly string[],
  options: { readonly bare: boolean },
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    const key = at < 0 ? text : text.slice(0, at);
    if (key === "" || (at < 0 && !options.bare)) {
      throw usage(`--${flag} '${text}' must be written key=value`);
    }
    result[key] = at < 0 ? "" : text.slice(at + 1);
  }
  return result;
}

/** `name=data,size=1G,ro` → a map; every key must be one of `known`, and only those in `bare` stand without a value. Values hold no commas. */
export function attributes(
  flag: string,
  text: string,
  known: readonly string[],
  bare: readonly string[] = [],
): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const part of text.split(",").filter((each) => each !== "")) {
    const at = part.indexOf("=");
    const key = at < 0 ? part : part.slice(0, at);
    if (!known.includes(key)) throw usage(`--${flag} '${text}': unknown '${key}'`, `known: ${known.join(", ")}`);
    if (at < 0 && !bare.includes(key)) throw usage(`--${flag} '${text}': '${key}' needs a value`);
    if (result.has(key)) throw usage(`--${flag} '${text}': '${key}' is given twice`);
    result.set(key, at < 0 ? "" : part.slice(at + 1));
  }
  return result;
}
