/** Where a step's packages come from, as its recipe and the build say it. */
import type { StepContext } from "../steps/step-kind.ts";
import type { ArchiveOptions } from "./apt-archive.ts";

export interface SourceFields {
  readonly suite?: string | undefined;
  readonly sources?: string | undefined;
}

export const archiveOptions = ({ suite, sources }: SourceFields, context: StepContext): ArchiveOptions => ({
  architecture: context.architecture,
  cacheDirectory: context.cacheDirectory,
  choice: { suite, sources },
  directory: context.recipeDirectory,
  report: context.report,
  signal: context.signal,
});
