/** Names the licence of a module by the telling sentences of its licence file: the handful that nearly all Go modules use. No guess = not asserted. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The first whose phrases are all there. Clauses first: BSD-3-Clause holds every phrase of BSD-2-Clause. */
const telling: readonly (readonly [spdx: string, phrases: readonly string[]])[] = [
  ["MPL-2.0", ["mozilla public license", "version 2.0"]],
  ["Apache-2.0", ["apache license", "version 2.0"]],
  ["LGPL-3.0-only", ["gnu lesser general public license", "version 3"]],
  ["BSD-3-Clause", ["redistributions in binary form", "endorse or promote"]],
  ["BSD-2-Clause", ["redistributions in binary form"]],
  ["ISC", ["permission to use, copy, modify, and/or distribute this software"]],
  ["ISC", ["permission to use, copy, modify, and distribute this software"]],
  ["MIT", ["permission is hereby granted, free of charge"]],
];

const maxBytes = 256 * 1024;

/** An SPDX identifier; undefined when none is recognised, or when a text holds several that this does not tell apart. */
export function licenseOf(text: string): string | undefined {
  const plain = text.toLowerCase().replace(/\s+/g, " ");
  return telling.find(([, phrases]) => phrases.every((phrase) => plain.includes(phrase)))?.[0];
}

/** Of the licence file at the top of a module. */
export async function moduleLicense(directory: string): Promise<string | undefined> {
  const names = (await readdir(directory)).filter((name) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name)).sort();
  const [name] = names;
  if (name === undefined) return undefined;
  const text = await readFile(join(directory, name)).catch(() => undefined);
  return text === undefined || text.length > maxBytes ? undefined : licenseOf(text.toString());
}
