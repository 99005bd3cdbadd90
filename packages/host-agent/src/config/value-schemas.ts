/** How values are read: flags and environment give text, the file gives YAML; both end in the same type. */
import { parseDurationMs } from "@liquidmetal/foundation";
import { z } from "zod";
import { type ListenAddress, parseListenAddress } from "./listen-address.ts";
import { parseSizeBytes } from "./size.ts";

/** Go's words for booleans. */
const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  "1": true,
  false: false,
  f: false,
  "0": false,
};

export const text: z.ZodType<string> = z.union([z.string(), z.number().transform(String)], "must be text");

export const flag: z.ZodType<boolean> = z.union([z.boolean(), z.string(), z.number()]).transform((value, context) => {
  const read = booleans[String(value).toLowerCase()];
  if (read !== undefined) return read;
  context.addIssue({ code: "custom", message: `must be true or false: '${value}'` });
  return z.NEVER;
});

export function whole(min: number, max: number): z.ZodType<number> {
  return number(min, max, true);
}

export function factor(min: number, max: number): z.ZodType<number> {
  return number(min, max, false);
}

function number(min: number, max: number, integer: boolean): z.ZodType<number> {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const read = typeof value === "number" ? value : value.trim() === "" ? Number.NaN : Number(value);
    if ((!integer || Number.isInteger(read)) && read >= min && read <= max) return read;
    const kind = integer ? "a whole number" : "a number";
    context.addIssue({ code: "custom", message: `must be ${kind} from ${min} to ${max}: '${value}'` });
    return z.NEVER;
  });
}

/** Milliseconds from a duration. */
export const duration: z.ZodType<number> = z.union([z.string(), z.number()]).transform((value, context) => {
  const read = parseDurationMs(String(value));
  if (read !== undefined) return read;
  context.addIssue({ code: "custom", message: `must be a duration such as 10m0s, 30s or 500ms: '${value}'` });
  return z.NEVER;
});

/** Bytes from a size. */
export function size(maxBytes: number): z.ZodType<number> {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const read = parseSizeBytes(String(value));
    if (read !== undefined && read <= maxBytes) return read;
    context.addIssue({
      code: "custom",
      message: `must be a size such as 512MiB, at most ${maxBytes} bytes: '${value}'`,
    });
    return z.NEVER;
  });
}

/** A list: YAML sequence, repeated flag, or commas. */
export const list: z.ZodType<readonly string[]> = z
  .union([z.string(), z.array(text)], "must be a list")
  .transform((value) => (typeof value === "string" ? value.split(",") : value.flatMap((item) => item.split(","))))
  .transform((items) => items.map((item) => item.trim()).filter((item) => item !== ""));

export const addresses: z.ZodType<readonly ListenAddress[]> = list.transform((items, context) =>
  items.flatMap((item) => {
    const parsed = parseListenAddress(item);
    if (parsed.ok) return [parsed.value];
    context.addIssue({ code: "custom", message: parsed.error.message });
    return [];
  }),
);

/** Labels: YAML mapping, or `key=value` pairs. */
export const labels: z.ZodType<Readonly<Record<string, string>>> = z
  .union([z.record(z.string(), text), list], "must be a mapping or key=value pairs")
  .transform((value, context) => {
    if (!isList(value)) return value;
    const entries: [string, string][] = [];
    for (const pair of value) {
      const equals = pair.indexOf("=");
      if (equals > 0) entries.push([pair.slice(0, equals), pair.slice(equals + 1)]);
      else context.addIssue({ code: "custom", message: `must be key=value: '${pair}'` });
    }
    return Object.fromEntries(entries);
  });

function isList(value: Readonly<Record<string, string>> | readonly string[]): value is readonly string[] {
  return Array.isArray(value);
}

export function oneOf<const T extends string>(...words: readonly T[]): z.ZodType<T> {
  return z.string().transform((value, context) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    context.addIssue({ code: "custom", message: `must be one of ${words.join(", ")}: '${value}'` });
    return z.NEVER;
  });
}
