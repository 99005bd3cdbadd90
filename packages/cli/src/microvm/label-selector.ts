/** Label selectors in Kubernetes' notation: `a=b,c!=d,e in (x,y),f notin (z),g,!h`. */
import { usage } from "../program/flag-values.ts";

export type LabelSelector = (labels: Readonly<Record<string, string>>) => boolean;

const limitCharacters = 4_096;

/** Throws REQUEST_INVALID. An empty text selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.length > limitCharacters) throw usage(`a label selector has at most ${limitCharacters} characters`);
  const requirements = split(text).map((part) => requirement(part, text));
  return (labels) => requirements.every((matches) => matches(labels));
}

/** Splits at commas outside of parentheses. */
function split(text: string): readonly string[] {
  return text.trim() === "" ? [] : text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function requirement(part: string, whole: string): LabelSelector {
  const set = /^([^\s=!(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return operator === "in"
      ? (labels) => Object.hasOwn(labels, key) && values.includes(labels[key] ?? "")
      : (labels) => !Object.hasOwn(labels, key) || !values.includes(labels[key] ?? "");
  }
  const equality = /^([^\s=!(),]+)\s*(==|=|!=)\s*([^\s=!(),]*)$/.exec(part);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    const equal: LabelSelector = (labels) => Object.hasOwn(labels, key) && labels[key] === value;
    return operator === "!=" ? (labels) => !equal(labels) : equal;
  }
  const existence = /^(!?)\s*([^\s=!(),]+)$/.exec(part);
  if (existence !== null) {
    const [, not, key = ""] = existence;
    return (labels) => Object.hasOwn(labels, key) === (not === "");
  }
  throw usage(
    `'${part}' in '${whole}' is no label requirement`,
    "write key=value, key!=value, key in (a,b), key or !key",
  );
}
