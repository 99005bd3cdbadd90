/**
 * Rules for names: of microVMs, namespaces, volumes, devices, labels, paths.
 *
 * Names end up in paths, device names, host names and file-system labels, so they are narrow. Upstream checked none of this; what is refused here
 * either failed later or broke the host (a `/` in an id made every list and resync fail).
 */
import { shown, type Violations } from "./validation-violations.ts";

export const nameLengthMax = 63;
const pathLengthMax = 1_024;

const nameShape = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const deviceShape = /^[a-z][a-z0-9_]*$/;
const hostDeviceShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

export function hasControlCharacter(text: string): boolean {
  return controlCharacter.test(text);
}

/**
 * Names that every JavaScript object answers to (`constructor`, `__proto__`, …). Names are keys of records, and a look-up of such a key in a record
 * that does not have it would find something.
 */
export function isReserved(name: string): boolean {
  return name in Object.prototype;
}

/** A DNS-like label: letters, digits, inner `-`, `_`, `.`; 1 to 63 characters; no `..`. */
export function checkName(violations: Violations, field: string, value: string): void {
  const problem = nameProblem(value);
  if (problem !== undefined) violations.add(field, problem);
}

function nameProblem(value: string): string | undefined {
  if (value === "") return "name is required";
  if (value.length > nameLengthMax) {
    return `must have at most ${nameLengthMax} characters, has ${value.length}: ${shown(value)}`;
  }
  if (value.includes("\0")) return "must not contain NUL";
  if (value.includes("/")) return `must not contain '/': ${shown(value)}`;
  if (value.includes("..")) return `must not contain '..': ${shown(value)}`;
  if (/["'`]/.test(value)) return `must not contain quotes: ${shown(value)}`;
  if (isReserved(value)) return `must not be a reserved word: ${shown(value)}`;
  if (!nameShape.test(value)) {
    return `must be letters, digits, '-', '_' or '.', and begin and end with a letter or digit: ${shown(value)}`;
  }
  return undefined;
}

/** Upstream's rule for guest device names, plus a bound. */
export function checkDeviceId(violations: Violations, field: string, value: string): void {
  if (!violations.require(value !== "", field, "device id is required")) return;
  if (!violations.require(!isReserved(value), field, `must not be a reserved word: ${shown(value)}`)) return;
  const fits = value.length <= nameLengthMax && deviceShape.test(value);
  violations.require(
    fits,
    field,
    `must begin with a lower-case letter, then lower-case letters, digits or '_', at most ${nameLengthMax}: ${shown(value)}`,
  );
}

/** Name of a network device on the host: what Linux takes (15 bytes), in a narrow alphabet. */
export function checkHostDevice(violations: Violations, field: string, value: string): void {
  violations.require(
    hostDeviceShape.test(value),
    field,
    `must be the name of a network device: at most 15 letters, digits, '.', '_' or '-': ${shown(value)}`,
  );
}

/** A path inside an image: relative or absolute, without `..`. */
export function checkImagePath(violations: Violations, field: string, value: string): void {
  if (!violations.require(value.length <= pathLengthMax, field, `must have at most ${pathLengthMax} characters`))
    return;
  violations.require(!hasControlCharacter(value), field, `must not contain control characters: ${shown(value)}`);
  const climbs = value.split("/").includes("..");
  violations.require(!climbs, field, `must not contain '..': ${shown(value)}`);
  violations.require(!value.endsWith("/"), field, `must name a file, not a directory: ${shown(value)}`);
}

/** An absolute path without `..`: mount points in the guest, shared directories on the host. */
export function checkAbsolutePath(violations: Violations, field: string, value: string): void {
  if (!violations.require(value.length <= pathLengthMax, field, `must have at most ${pathLengthMax} characters`))
    return;
  violations.require(value.startsWith("/"), field, `must be an absolute path: ${shown(value)}`);
  violations.require(!hasControlCharacter(value), field, `must not contain control characters: ${shown(value)}`);
  violations.require(!value.split("/").includes(".."), field, `must not contain '..': ${shown(value)}`);
}

const labelsMax = 64;
const labelKeyMax = 317;
const labelValueMax = 1_024;

/** Labels: at most 64, keys of at most 317 characters (a Kubernetes key with its prefix), values of at most 1,024. */
export function checkLabels(violations: Violations, field: string, labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  violations.require(entries.length <= labelsMax, field, `at most ${labelsMax} labels, got ${entries.length}`);
  for (const [key, value] of entries) {
    const at = `${field}[${shown(key)}]`;
    violations.require(key !== "", at, "the key must not be empty");
    violations.require(!isReserved(key), at, "the key must not be a reserved word");
    violations.require(key.length <= labelKeyMax, at, `the key must have at most ${labelKeyMax} characters`);
    violations.require(!/\s/.test(key) && !hasControlCharacter(key), at, "the key must not contain white space");
    violations.require(value.length <= labelValueMax, at, `the value must have at most ${labelValueMax} characters`);
    violations.require(!hasControlCharacter(value), at, "the value must not contain control characters");
  }
}
