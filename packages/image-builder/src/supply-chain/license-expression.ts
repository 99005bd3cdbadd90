/**
 * SPDX licence expressions (specification annex D), read as far as the bill of materials needs it: is it one, and which licences are of our own
 * naming (`LicenseRef-…`). Names are not looked up in the licence list.
 */
import { debianLicenseNames } from "./debian-license-names.ts";

const token = /\s*(\(|\)|[A-Za-z0-9.:+-]+)/y;
const operator = new Set(["AND", "OR", "WITH"]);
const longestExpression = 16_384;

/** The expression with single spaces, or undefined where it is none: `GPL-2+ and more`, an unbalanced bracket, nothing at all. */
export function readLicense(text: string): string | undefined {
  if (text.length > longestExpression) return undefined;
  const words = tokens(text.trim());
  if (words === undefined || words.length === 0) return undefined;
  let depth = 0;
  let wantsName = true;
  for (const word of words) {
    if (word === "(" && wantsName) depth += 1;
    else if (word === ")" && !wantsName && depth > 0) depth -= 1;
    else if (operator.has(word) && !wantsName) wantsName = true;
    else if (word !== "(" && word !== ")" && !operator.has(word) && wantsName && isName(word)) wantsName = false;
    else return undefined;
  }
  if (wantsName || depth > 0) return undefined;
  return words.join(" ").replaceAll("( ", "(").replaceAll(" )", ")");
}

/** Every `LicenseRef-…` in these expressions once, sorted: a document has to define them. */
export function licenseReferences(expressions: readonly string[]): readonly string[] {
  const found = expressions.flatMap((one) => one.match(/LicenseRef-[A-Za-z0-9.-]+/g) ?? []);
  return [...new Set(found)].sort();
}

/**
 * Of a Debian copyright file in the machine-readable format (DEP-5): what its paragraphs declare for the package's files, all of it, joined by AND.
 * Undefined of files in prose. What Debian calls by a name that SPDX does not know becomes `LicenseRef-debian-<name>`.
 */
export function debianLicense(copyrightFile: string): string | undefined {
  if (!/^Format(-Specification)?:/im.test(copyrightFile.slice(0, 4096))) return undefined;
  const declared = copyrightFile
    .split(/\n[ \t]*\n/)
    .filter((paragraph) => /^(Files|Format(-Specification)?):/im.test(paragraph))
    .flatMap((paragraph) => /^License:[ \t]*(\S.*)$/im.exec(paragraph)?.[1] ?? []);
  const parts = [...new Set(declared.map(debianExpression))].sort();
  if (parts.length === 0) return undefined;
  const joined = parts.map((part) => (parts.length > 1 && part.includes(" OR ") ? `(${part})` : part)).join(" AND ");
  return readLicense(joined);
}

/** One `License:` line: names joined by "and" and "or", where "and" binds tighter. With commas or exceptions it is one name of its own. */
function debianExpression(line: string): string {
  const text = line.trim().replace(/\s+/g, " ");
  if (/,|\(| with /i.test(text)) return debianName(text);
  return text
    .split(/ or /i)
    .map((side) => side.split(/ and /i).map(debianName).join(" AND "))
    .join(" OR ");
}

function debianName(name: string): string {
  const known = debianLicenseNames[name.toLowerCase()];
  if (known !== undefined) return known;
  const readable = name.replaceAll("+", "-or-later").replace(/[^A-Za-z0-9.]+/g, "-");
  return `LicenseRef-debian-${readable.replace(/^-+|-+$/g, "").slice(0, 80) || "unnamed"}`;
}

/** `+` ("or later") stands at the end of a name only. */
const isName = (word: string): boolean =>
  /^(DocumentRef-[A-Za-z0-9.-]+:)?[A-Za-z0-9][A-Za-z0-9.-]*\+?$/.test(word) && !/^(and|or|with)$/.test(word);

function tokens(text: string): string[] | undefined {
  const found: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (match?.[1] === undefined) return undefined;
    found.push(match[1]);
  }
  return found;
}
