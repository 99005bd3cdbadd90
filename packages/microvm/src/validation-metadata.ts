/** Rules for metadata and kernel arguments: what is handed to the guest, bounded, and readable without decoding it. */
import { checkName, hasControlCharacter, isReserved } from "./validation-names.ts";
import { shown, type Violations } from "./validation-violations.ts";

const documentsMax = 32;
/** The kernel cuts a longer command line silently (COMMAND_LINE_SIZE on x86-64 and arm64). */
const cmdlineMax = 2_048;
const argumentNameShape = /^[A-Za-z0-9_.,:/-]{1,128}$/;

/**
 * Size of what base64 text decodes to, in bytes, or undefined when it is not valid standard base64 with padding.
 * Line ends are allowed, as Go's decoder allows them.
 */
export function base64SizeBytes(text: string): number | undefined {
  const plain = text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, "") : text;
  if (plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(plain)) return undefined;
  const padding = plain.endsWith("==") ? 2 : plain.endsWith("=") ? 1 : 0;
  return (plain.length / 4) * 3 - padding;
}

export function checkMetadata(
  violations: Violations,
  metadata: Readonly<Record<string, string>>,
  limitBytes: number,
): void {
  const entries = Object.entries(metadata);
  violations.require(entries.length <= documentsMax, "metadata", `at most ${documentsMax} documents`);
  let totalBytes = 0;
  for (const [name, text] of entries.slice(0, documentsMax)) {
    const at = `metadata[${shown(name)}]`;
    checkName(violations, at, name);
    const sizeBytes = base64SizeBytes(text);
    if (sizeBytes === undefined) violations.add(at, "the value must be base64 text (standard alphabet, padded)");
    totalBytes += sizeBytes ?? text.length;
  }
  violations.require(
    totalBytes <= limitBytes,
    "metadata",
    `must decode to at most ${limitBytes} bytes in all, has ${totalBytes}`,
  );
}

export function checkCmdline(violations: Violations, field: string, cmdline: Readonly<Record<string, string>>): void {
  let length = 0;
  for (const [name, value] of Object.entries(cmdline)) {
    const at = `${field}[${shown(name)}]`;
    length += name.length + (value === "" ? 0 : value.length + 1) + 1;
    violations.require(!isReserved(name), at, "the name must not be a reserved word");
    violations.require(argumentNameShape.test(name), at, "the name must be letters, digits or '_.,:/-'");
    violations.require(
      !hasControlCharacter(value) && !value.includes('"'),
      at,
      `the value must not contain quotes or control characters: ${shown(value)}`,
    );
  }
  violations.require(length <= cmdlineMax, field, `must have at most ${cmdlineMax} characters in all, has ${length}`);
}
