/**
 * Label selectors as the API server reads them: "a=b,c!=d,e in (f,g),h notin (i),j,!k".
 *
 * Source: k8s.io/apimachinery/pkg/labels/selector.go. `!=` and `notin` also match objects without the label.
 */
import { PlatformError } from "@liquidmetal/foundation";

export type Labels = Readonly<Record<string, string>>;

/** True for labels that meet every requirement. */
export type LabelMatcher = (labels: Labels | undefined) => boolean;

/** Throws REQUEST_INVALID when `selector` cannot be read. An empty selector matches everything. */
export function labelMatcher(selector: string): LabelMatcher {
  const requirements = splitRequirements(selector).map(requirement);
  return (labels = {}) => requirements.every((meets) => meets(labels));
}

/** Splits at the commas that are not inside brackets. */
function splitRequirements(selector: string): readonly string[] {
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim());
  return parts.length === 1 && parts[0] === "" ? [] : parts;
}

const name = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const ofSet = new RegExp(`^(${name})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const ofEquality = new RegExp(`^(${name})\\s*(==|=|!=)\\s*([A-Za-z0-9._-]*)$`);
const ofPresence = new RegExp(`^(!?)\\s*(${name})$`);

function requirement(text: string): (labels: Labels) => boolean {
  const set = ofSet.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (labels) => {
      const value = labels[key];
      return value === undefined ? operator === "notin" : values.has(value) === (operator === "in");
    };
  }
  const equality = ofEquality.exec(text);
  if (equality !== null) {
    const [, key = "", operator, value] = equality;
    return (labels) => (labels[key] === value) === (operator !== "!=");
  }
  const presence = ofPresence.exec(text);
  if (presence !== null) {
    const [, not, key = ""] = presence;
    return (labels) => (labels[key] !== undefined) === (not === "");
  }
  throw new PlatformError("REQUEST_INVALID", `"${text}" is not a requirement of a label selector`);
}
