/** The list of broken rules that a validation collects: all of them at once, bounded in number and in length. */

export interface Violation {
  /** Path of the field as users write it (the wire's names), for example `interfaces[1].guest_mac`. */
  readonly field: string;
  /** What must hold, and what was found. */
  readonly rule: string;
}

/** More violations than this are counted and not listed. */
const listedMax = 40;
/** Longer values are cut when they are shown. */
const shownMax = 48;

export class Violations {
  readonly #listed: Violation[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get listed(): readonly Violation[] {
    return this.#listed;
  }

  add(field: string, rule: string): void {
    this.#count++;
    if (this.#listed.length < listedMax) this.#listed.push({ field, rule });
  }

  /** Adds unless `holds`; returns `holds`. */
  require(holds: boolean, field: string, rule: string): boolean {
    if (!holds) this.add(field, rule);
    return holds;
  }

  /** One `field: rule` line each. */
  text(): string {
    const lines = this.#listed.map(({ field, rule }) => `${field}: ${rule}`);
    if (this.#count > this.#listed.length) lines.push(`… and ${this.#count - this.#listed.length} more`);
    return lines.join("\n");
  }
}

/** A value for an error text: quoted, control characters escaped, cut where it is long. */
export function shown(value: string): string {
  const cut = value.length > shownMax ? `${value.slice(0, shownMax)}…` : value;
  return JSON.stringify(cut.toWellFormed());
}
