/** "Did you mean …": the nearest of the known words, by edit distance. */

/** The known word that `word` most likely stands for; undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || distance < best.distance) best = { word: candidate, distance };
  }
  if (best === undefined) return undefined;
  return best.distance <= Math.max(1, Math.floor(best.word.length / 3)) ? best.word : undefined;
}

/** ` (did you mean "x"?)`, or what there is to choose from, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const match = nearest(word, known);
  if (match !== undefined) return ` (did you mean ${JSON.stringify(match)}?)`;
  return known.length === 0 || known.length > 40 ? "" : ` (known: ${known.join(", ")})`;
}

/** Restricted Damerau-Levenshtein: a swap of two neighbours counts as one. Words longer than 64 characters are cut. */
function editDistance(left: string, right: string): number {
  const a = left.slice(0, 64);
  const b = right.slice(0, 64);
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const replaced = at(above, column - 1) + (same ? 0 : 1);
      let least = Math.min(at(above, column) + 1, at(current, column - 1) + 1, replaced);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, at(before, column - 2) + 1);
      current.push(least);
    }
    before = above;
    above = current;
  }
  return at(above, b.length);
}

const at = (row: readonly number[], column: number): number => row[column] ?? 0;
