/**
 * Hardware addresses in every text form that Go's parser takes for six bytes: `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff`.
 * Go also takes 8 and 20 bytes (EUI-64, InfiniBand); no guest interface here has those, so they are not addresses for us.
 */
const colonForm = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const hyphenForm = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/;
const dotForm = /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/;

/** The address in lower case with colons; a text that is none comes back as it is, for the validation to name. */
export function normaliseMac(text: string): string {
  const lower = text.toLowerCase();
  if (colonForm.test(lower)) return lower;
  if (hyphenForm.test(lower)) return lower.replaceAll("-", ":");
  if (dotForm.test(lower)) return (lower.replaceAll(".", "").match(/../g) ?? []).join(":");
  return text;
}
