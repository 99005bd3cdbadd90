/** How the life of a played microVM goes, as the test decides when it is created. Times in milliseconds from the step before; "never" waits for the test. */
export interface Life {
  /** Until the VMM runs. Default 0. */
  readonly startsAfterMs?: number | "never";
  /** A lie: the answer to the create says CREATED already. */
  readonly bornRunning?: boolean;
  /** Until the guest says that it is ready. Default 0. */
  readonly readyAfterMs?: number | "never";
  /** A failure instead of the start, or after it: the phase becomes `failed`. */
  readonly fails?: { readonly afterMs: number; readonly reason: string; readonly message: string };
  /** Until the VMM dies by itself. Default: never. */
  readonly diesAfterMs?: number;
  /** Until it is gone, once its deletion was asked for. Default 0. */
  readonly goneAfterMs?: number | "never";
}
