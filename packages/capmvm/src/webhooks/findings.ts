/**
 * What a webhook finds in an object: errors refuse it, warnings are printed by kubectl and change nothing.
 *
 * An error says where (a field's path), what is there, why that cannot be, and what to do instead: it is all that a user of kubectl gets to see.
 */
import type { AdmissionVerdict, FieldError } from "@liquidmetal/kubernetes";

export type Fault = "Required" | "Invalid" | "Forbidden" | "Duplicate";

/** A warning beyond these is only counted: kubectl prints each on a line of its own. */
const warningsMax = 10;
/** What API servers promise to carry of one. */
const warningLengthMax = 256;

export class Findings {
  readonly #errors: FieldError[] = [];
  readonly #warnings: string[] = [];

  /** `path` as in spec.networkInterfaces[0].guestMac. */
  refuse(path: string, fault: Fault, message: string): void {
    this.#errors.push({ field: path, type: `FieldValue${fault}`, message });
  }

  warn(path: string, message: string): void {
    this.#warnings.push(`${path}: ${message}`);
  }

  /** Whether something at this path or below it was refused already. */
  refusedAt(path: string): boolean {
    return this.#errors.some(
      ({ field }) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`),
    );
  }

  verdict(): AdmissionVerdict {
    const shown = this.#warnings.slice(0, warningsMax).map(cut);
    const more = this.#warnings.length - shown.length;
    return { errors: this.#errors, warnings: more > 0 ? [...shown, `and ${more} more warnings`] : shown };
  }
}

function cut(text: string): string {
  return text.length > warningLengthMax ? `${text.slice(0, warningLengthMax - 1)}…` : text;
}
