/** Sizes as people write them (`512MiB`, `10GB`). */
const decimal: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const binary: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes, or undefined. `KB` counts in thousands, `KiB` in 1,024; a bare number is bytes. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt])(i?)b?|b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, amount = "", prefix = "", binaryMark = ""] = match;
  const factor = prefix === "" ? 1 : ((binaryMark === "" ? decimal : binary)[prefix.toLowerCase()] ?? 1);
  const bytes = Math.round(Number(amount) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
