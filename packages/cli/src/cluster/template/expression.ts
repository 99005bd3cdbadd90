/**
 * The parser of clusterctl's variable grammar: `${VAR}`, `${VAR:=default}`, `${VAR:-default}`, `${VAR//what/with}`, `${VAR^^}`, `${VAR:1:2}`, `${#VAR}` …,
 * with expressions inside of defaults and replacements.
 *
 * Source: drone/envsubst v2, parse/parse.go. Its oddities are kept: `:?` and `:+` mean a default, too. What removes a pattern (`#`, `%`) is refused.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type Accept, type ScanMode, Scanner } from "./scanner.ts";

export type Part = string | Expression;

export interface Expression {
  readonly variable: string;
  /** `:=`, `//`, `^^` …; "" for the bare variable. */
  readonly operator: string;
  readonly operands: readonly Part[];
}

/** Throws REQUEST_INVALID for text that clusterctl refuses, too. */
export function parseTemplate(text: string): readonly Part[] {
  const scanner = new Scanner(text);
  const parts: Part[] = [];
  for (;;) {
    scanner.accept = () => true;
    scanner.mode = { word: true, open: true, escapes: true };
    scanner.escapesBackslash = false;
    const token = scanner.scan();
    if (token === "end") return parts;
    if (token === "word") parts.push(scanner.text);
    else if (token === "open") parts.push(expression(scanner));
    else throw bad("bad substitution");
  }
}

const isIdentifier: Accept = (character) => /[\p{L}\p{Nd}_]/u.test(character);
const untilClose: Accept = (character) => character !== "}";

function expression(scanner: Scanner): Expression {
  scanner.escapesBackslash = true;
  if (scanner.peek() === "#") {
    const operator = word(scanner, (character, position) => character === "#" && position === 1);
    return closed(scanner, { variable: word(scanner, isIdentifier), operator, operands: [] });
  }
  const variable = word(scanner, isIdentifier, "unable to parse variable name");
  switch (scanner.peek()) {
    case ":":
      return /[=?+-]/.test(scanner.peekSecond()) ? withDefault(scanner, variable) : substring(scanner, variable);
    case "=":
      return withDefault(scanner, variable);
    case ",":
    case "^": {
      const operator = word(scanner, (character, position) => /[,^]/.test(character) && position < 3);
      return closed(scanner, { variable, operator, operands: [] });
    }
    case "/":
      return replacement(scanner, variable);
    case "#":
    case "%":
      throw bad(`\${${variable}${scanner.peek()}…} removes a pattern, which is not supported here`);
    default:
      return closed(scanner, { variable, operator: "", operands: [] }, "missing closing brace");
  }
}

function withDefault(scanner: Scanner, variable: string): Expression {
  const colon = scanner.peek() !== "=";
  const operator = word(scanner, (character, position) => {
    if (!colon) return position === 1 && character === "=";
    return position === 1 ? character === ":" : position === 2 && /[=?+-]/.test(character);
  });
  const operands: Part[] = [];
  while (scanner.peek() !== "}") operands.push(operand(scanner, untilClose, { word: true }));
  return closed(scanner, { variable, operator, operands });
}

function substring(scanner: Scanner, variable: string): Expression {
  const operator = word(scanner, (character, position) => character === ":" && position === 1);
  const first = operand(scanner, (character) => character !== ":" && character !== "}", { word: true });
  scanner.accept = (character) => character === ":";
  scanner.mode = { word: true, close: true };
  const token = scanner.scan();
  if (token === "close") return { variable, operator, operands: [first] };
  if (token !== "word") throw bad("bad substitution");
  return closed(scanner, { variable, operator, operands: [first, operand(scanner, untilClose, { word: true })] });
}

function replacement(scanner: Scanner, variable: string): Expression {
  const operator = word(scanner, (character, position) =>
    position === 1 ? character === "/" : position === 2 && /[/#%]/.test(character),
  );
  const what = operand(scanner, (character) => character !== "/", { word: true, escapes: true });
  word(scanner, (character) => character === "/");
  if (scanner.peek() === "}") return closed(scanner, { variable, operator, operands: [what] });
  const replaced = operand(scanner, untilClose, { word: true, escapes: true });
  return closed(scanner, { variable, operator, operands: [what, replaced] });
}

function operand(scanner: Scanner, accept: Accept, mode: ScanMode): Part {
  scanner.accept = accept;
  scanner.mode = { ...mode, open: true };
  const token = scanner.scan();
  if (token === "open") return expression(scanner);
  if (token === "word") return scanner.text;
  throw bad("unable to parse substitution within function");
}

function word(scanner: Scanner, accept: Accept, otherwise = "bad substitution"): string {
  scanner.accept = accept;
  scanner.mode = { word: true };
  if (scanner.scan() !== "word") throw bad(otherwise);
  return scanner.text;
}

function closed(scanner: Scanner, found: Expression, otherwise = "bad substitution"): Expression {
  scanner.mode = { close: true };
  if (scanner.scan() !== "close") throw bad(otherwise);
  return found;
}

function bad(why: string): PlatformError {
  return new PlatformError("REQUEST_INVALID", `the template cannot be read: ${why}`, {
    remedy: `variables look like $\{NAME} or $\{NAME:=default}; a dollar sign before a brace is written $$`,
  });
}
