/** Patterns run in JavaScript here and in Go's RE2 in the API server: what RE2 does not know is refused when the CRD is made. */
import { PlatformError } from "@liquidmetal/foundation";

const unknownToRe2: readonly (readonly [RegExp, string])[] = [
  [/\(\?[=!]/, "look-ahead"],
  [/\(\?<[=!]/, "look-behind"],
  [/(?<!\\)(?:\\\\)*\\[1-9]/, "a back-reference"],
  [/(?<!\\)(?:\\\\)*\\u/, "a \\u escape"],
  [/(?<!\\)(?:\\\\)*\\c[A-Za-z]/, "a control escape"],
  [/\(\?<[A-Za-z_$]/, "a named group"],
];

/** Throws `CONFIG_INVALID` when Go cannot run `pattern` or would run it differently. RE2 also refuses repeats above 1,000. */
export function assertPortablePattern(pattern: string, path: string): void {
  const found = unknownToRe2.find(([shape]) => shape.test(pattern))?.[1];
  const repeat = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].some((match) =>
    [match[1], match[2]].some((count) => Number(count) > 1_000),
  );
  if (found === undefined && !repeat) return;
  throw new PlatformError(
    "CONFIG_INVALID",
    `the pattern of ${path} uses ${found ?? "more than 1,000 repeats"}, which the API server's regular expressions do not know: ${pattern}`,
    { remedy: "write the pattern without it, or say it as a CEL rule" },
  );
}
