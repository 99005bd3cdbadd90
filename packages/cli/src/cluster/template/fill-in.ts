/**
 * Fills variables into a template exactly as `clusterctl generate cluster` does.
 *
 * Source: Cluster API, cmd/clusterctl/client/yamlprocessor/simple_processor.go; drone/envsubst v2, funcs.go.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type Expression, type Part, parseTemplate } from "./expression.ts";

export interface TemplateVariable {
  readonly name: string;
  /** As clusterctl tells it; absent = a value has to be given. */
  readonly default?: string;
}

/** `${ NAME }` is an old way to write `${NAME}`. */
const legacy = /\$\{\s+[A-Za-z0-9_$]+\s*\}|\$\{[A-Za-z0-9_$]+\s+\}/g;

/** Every variable outside of operands, by name; what the first occurrence says holds. */
export function templateVariables(template: string): readonly TemplateVariable[] {
  return variablesOf(parseTemplate(modern(template)));
}

/** Throws REQUEST_INVALID, naming every variable that has neither a value nor a default. */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  const parts = parseTemplate(modern(template));
  const missing = variablesOf(parts).filter((each) => each.default === undefined && !Object.hasOwn(values, each.name));
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name);
    throw new PlatformError(
      "REQUEST_INVALID",
      `the template wants ${names.join(", ")}, which ${names.length === 1 ? "has" : "have"} no value`,
      {
        remedy: `give ${names.length === 1 ? "it" : "them"} with --set ${names[0]}=VALUE`,
      },
    );
  }
  const evaluate = (part: Part): string => (typeof part === "string" ? part : apply(part, given, evaluate));
  const given = (name: string): string => (Object.hasOwn(values, name) ? (values[name] ?? "") : "");
  return parts.map(evaluate).join("");
}

function variablesOf(parts: readonly Part[]): readonly TemplateVariable[] {
  const found = new Map<string, TemplateVariable>();
  for (const part of parts) {
    if (typeof part === "string" || found.has(part.variable)) continue;
    const text = part.operands.map((each) => (typeof each === "string" ? each : `\${${each.variable}}`)).join("");
    found.set(part.variable, { name: part.variable, ...(text === "" ? {} : { default: text }) });
  }
  return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

const modern = (template: string): string => template.replaceAll(legacy, (found) => found.replaceAll(/\s/g, ""));

function apply(expression: Expression, given: (name: string) => string, evaluate: (part: Part) => string): string {
  const value = given(expression.variable);
  const operands = expression.operands.map(evaluate);
  const [first = "", second] = operands;
  switch (expression.operator) {
    case ",":
      return firstCharacter(value).toLowerCase() + value.slice(firstCharacter(value).length);
    case ",,":
      return value.toLowerCase();
    case "^":
      return firstCharacter(value).toUpperCase() + value.slice(firstCharacter(value).length);
    case "^^":
      return value.toUpperCase();
    case "#":
      return String(Buffer.byteLength(value));
    case ":":
      return slice(value, first, second);
    case "/":
      return first === "" ? (second ?? "") + value : value.replace(first, () => second ?? "");
    case "//":
      return replaceAll(value, first, second ?? "");
    case "/#":
      return second !== undefined && value.startsWith(first) ? second + value.slice(first.length) : value;
    case "/%":
      return second !== undefined && value.endsWith(first)
        ? value.slice(0, value.length - first.length) + second
        : value;
    default:
      return value === "" ? operands.join("") : value;
  }
}

const firstCharacter = (value: string): string => [...value][0] ?? "";

/** As Go's strings.Replace: nothing is found between all characters. */
function replaceAll(value: string, what: string, by: string): string {
  return what === ""
    ? [by, ...[...value].map((character) => character + by)].join("")
    : value.replaceAll(what, () => by);
}

function slice(value: string, from: string, count: string | undefined): string {
  const position = wholeNumber(from);
  if (position === undefined) return value;
  const bytes = Buffer.from(value);
  const start = position < 0 ? Math.max(0, bytes.length + position) : position;
  if (count === undefined) return bytes.subarray(start).toString();
  const length = wholeNumber(count);
  if (length === undefined) return value;
  if (length < 0) throw new PlatformError("REQUEST_INVALID", `a template takes ${length} characters of a value`);
  return bytes.subarray(start, start + length).toString();
}

function wholeNumber(text: string): number | undefined {
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined;
}
