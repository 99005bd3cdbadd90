/**
 * Syntax of image references: `[registry[:port]/]path[:tag][@digest]`.
 *
 * As wide as containerd's own rule (which takes nearly anything without `://`) wherever that could ever be pulled, and no wider:
 * no spaces, no control characters, bounded length. Short names such as `alpine` pass; completing them is the image room's work.
 */
import { shown, type Violations } from "./validation-violations.ts";

const referenceLengthMax = 512;
const host = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?`;
const segment = `[A-Za-z0-9]+(?:(?:[._]|__|-+)[A-Za-z0-9]+)*`;
const tag = `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`;
const digest = "sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}";
const shape = new RegExp(`^(?:${host}/)?${segment}(?:/${segment})*(?::${tag})?(?:@(?:${digest}))?$`);

/** What is wrong with a reference, or undefined. */
export function imageReferenceProblem(reference: string): string | undefined {
  if (reference === "") return "image is required";
  if (reference.length > referenceLengthMax) return `must have at most ${referenceLengthMax} characters`;
  if (reference.includes("://")) return `must not begin with a scheme: ${shown(reference)}`;
  if (!shape.test(reference))
    return `is not an image reference (registry/name:tag or registry/name@sha256:…): ${shown(reference)}`;
  return undefined;
}

export function checkImage(violations: Violations, field: string, reference: string): void {
  const problem = imageReferenceProblem(reference);
  if (problem !== undefined) violations.add(field, problem);
}
