/** One run of the loop over one microVM, and the shape of what an executor does in it. */
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord, ResolvedImage, Step, StepKind } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import type { RecordChange } from "./records.ts";

/** One run of the loop over one microVM. */
export interface Run {
  readonly uid: string;
  /** Images resolved in this run, by reference; each is held on behalf of the microVM. */
  readonly images: Map<string, Promise<ResolvedImage>>;
  /** Digests of those that are here. */
  readonly digests: Set<string>;
  /** The user does not want to wait for the guest. */
  readonly forced: boolean;
}

export interface Done {
  /** How the record changes. */
  readonly change: RecordChange;
  /** Called once the change was committed, or could not be. */
  readonly afterwards?: () => void;
}

export type Executor<K extends StepKind> = (
  context: EngineContext,
  run: Run,
  step: Extract<Step, { kind: K }>,
  signal: AbortSignal,
) => Promise<Done>;

/** The image behind a reference, pulled if need be, held for the microVM; asked for once a run. */
export async function imageOf(
  context: EngineContext,
  run: Run,
  reference: string,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const known = run.images.get(reference);
  if (known !== undefined) return await known;
  const ensured = ensure(context, run, reference, signal);
  run.images.set(reference, ensured);
  // The next step asks anew, under its own deadline.
  ensured.catch(() => run.images.delete(reference));
  return await ensured;
}

async function ensure(
  context: EngineContext,
  run: Run,
  reference: string,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const image = unwrap(await context.deps.images.ensure(reference, run.uid, { signal }));
  run.digests.add(image.digest);
  return image;
}

/** The newest record. Throws MICROVM_NOT_FOUND. */
export function recordOf(context: EngineContext, run: Run): MicroVmRecord {
  const record = context.records.get(run.uid);
  if (record === undefined) throw new PlatformError("MICROVM_NOT_FOUND", `microVM ${run.uid} not found`);
  return record;
}
