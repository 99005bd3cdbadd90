/** Durations as Go writes them: `10m0s`, `1.5h`, `300ms`. */
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
