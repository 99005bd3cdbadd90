/** Durations as Go writes them (`10m0s`, `1.5h`, `300ms`) and sizes as people write them (`512MiB`, `10GB`). */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, or undefined when it is no duration. `0` needs no unit. */
export function parseDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/([0-9.]+)([a-zµ]+)/g))
    total += Number(amount) * (unitMs[unit] ?? 0);
  return Number.isFinite(total) ? total : undefined;
}

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
