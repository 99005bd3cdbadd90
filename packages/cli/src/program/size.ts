/** Sizes as people type them (`512M`, `2G`, `2048`), always binary, and as they read them. */

const factorsMiB: Readonly<Record<string, number>> = { m: 1, g: 1_024, t: 1_048_576 };

/** Whole MiB of `512M`, `2G`, `2GiB`, `1.5G` or a bare number of MiB; `undefined` when it is none. */
export function parseMiB(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)\s*(?:([mgt])(?:i?b)?)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const sizeMiB = Number(match[1]) * (factorsMiB[(match[2] ?? "m").toLowerCase()] ?? 1);
  return Number.isInteger(sizeMiB) && sizeMiB <= 2 ** 31 - 1 ? sizeMiB : undefined;
}

/** `0 B`, `340 KiB`, `1.5 GiB`. */
export function readableBytes(sizeBytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = sizeBytes;
  let unit = 0;
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1).replace(/\.0$/, "")} ${units[unit]}`;
}
