/** The programs of a management plane for this machine: compiled from locked module source at the first need, then taken from the image builder's cache. */
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { compileLocked, lockedModuleDirectory } from "@liquidmetal/image-builder";
import { clusterApiVersion, managementSoftware, type ProgramName, programNames, type Software } from "./software.ts";

export type ManagementPrograms = Readonly<Record<ProgramName, string>>;

export interface ProgramsRequest {
  /** The image builder's cache. Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
  readonly cacheDirectory?: string;
  /** Where the locks lie: the project's `images`. Default: the checkout's. */
  readonly imagesDirectory?: string;
  /** What is done, one line each: nothing where everything is there already. */
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
}

const shippedImages: string = join(import.meta.dirname, "../../../../images");

/** Paths of all programs. Errors as `compileLocked` has them. The first time it needs a Go module proxy and some ten minutes. */
export async function managementPrograms(request: ProgramsRequest): Promise<ManagementPrograms> {
  const found: Partial<Record<ProgramName, string>> = {};
  for (const [index, software] of managementSoftware.entries()) {
    const report = (line: string): void => request.report(`${index + 1} of ${managementSoftware.length}: ${line}`);
    Object.assign(found, await compile(software, { ...request, report }));
  }
  const missing = programNames.find((name) => found[name] === undefined);
  if (missing !== undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `${missing} was not compiled`);
  return found as ManagementPrograms;
}

/** The files of Cluster API's module: its `config` folders hold the manifests. */
export function clusterApiSource(request: ProgramsRequest): Promise<string> {
  const software = managementSoftware.find(({ version }) => version === clusterApiVersion);
  if (software === undefined) throw new PlatformError("INTERNAL", "Cluster API is not among the software");
  return lockedModuleDirectory({ ...locked(software, request), ...passedOn(request) });
}

async function compile(
  software: Software,
  request: ProgramsRequest,
): Promise<Readonly<Partial<Record<ProgramName, string>>>> {
  const { programs, together, variables } = software;
  const started = performance.now();
  let said = false;
  const { files, cached } = await compileLocked({
    ...locked(software, request),
    ...passedOn(request),
    ...(!together && { packages: Object.values(programs) }),
    variables,
    // Thousands of packages: that it is compiled, and how long it took, is enough.
    report: () => {
      if (said) return;
      said = true;
      request.report(`compiling ${Object.keys(programs).join(", ")} ${software.version}, once: ${software.work}`);
    },
  });
  if (!cached) request.report(`${software.module} took ${((performance.now() - started) / 1_000).toFixed(0)} s`);
  return Object.fromEntries(
    Object.entries(programs).flatMap(([name, path]) => {
      const file = files.get(path);
      return file === undefined ? [] : [[name, file]];
    }),
  );
}

const locked = (
  { module, version, lock }: Software,
  { imagesDirectory = shippedImages }: ProgramsRequest,
): { readonly module: string; readonly version: string; readonly lockDirectory: string } => ({
  module,
  version,
  lockDirectory: join(imagesDirectory, lock),
});

const passedOn = ({
  cacheDirectory,
  report,
  signal,
}: ProgramsRequest): Pick<ProgramsRequest, "cacheDirectory" | "report" | "signal"> => ({
  ...(cacheDirectory !== undefined && { cacheDirectory }),
  report,
  ...(signal && { signal }),
});
