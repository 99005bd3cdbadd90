/**
 * Whom a microVM was made for: the uid of the MicrovmMachine when it was first placed. It travels as a label and in meta-data, for upstream's flintlock
 * drops labels.
 */
export const identityLabel = "capmvm.liquidmetal.dev/identity";
export const identityKey = "machine_identity";

const line: RegExp = new RegExp(`^["']?${identityKey}["']?:[ \\t]*(?:"([^"\\n]*)"|'([^'\\n]*)'|([^\\s#"']+))`, "m");

/** The identity in the YAML text of meta-data. */
export function identityIn(metaData: string): string | undefined {
  const [, double, single, plain] = line.exec(metaData) ?? [];
  return (double ?? single ?? plain) || undefined;
}
