/**
 * The step `go`: programs compiled from checksummed module source, statically and reproducibly.
 *
 * The modules of a recipe are fixed by a lock (go.mod and go.sum, checked in); what is fetched and what lies in Go's cache is compared with it before
 * it is compiled. The layer's key has the lock's digests, the compiler's version and the flags, and needs no network.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { compilePrograms, compileRevision } from "../../go/compile.ts";
import { linkerFlags } from "../../go/linker-flags.ts";
import type { StoredProgram } from "../../go/program-cache.ts";
import { planToolchain } from "../../go/toolchain.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { Input } from "../input.ts";
import type { MadeLayer, MakeContext, Resolution, StepContext, StepKind } from "../step-kind.ts";
import { fields, type GoFields } from "./fields.ts";
import { goModule } from "./go-module.ts";
import { linkedSoftware } from "./software.ts";

export const go: StepKind<GoFields> = {
  name: "go",
  summary: "Compiles Go programs from checksummed module source.",
  revision: 1,
  fields,
  resolve,
  make,
};

async function resolve(step: GoFields, context: StepContext): Promise<Resolution> {
  const module = await goModule(step, context);
  const { version } = await planToolchain({ atLeast: module.goVersion, signal: context.signal });
  return {
    inputs: [compiler(version), ...module.inputs],
    settings: { compileRevision, flags: linkerFlags(step.ldflags ?? {}), packages: module.packages },
    dependsOnBelow: false,
  };
}

async function make(step: GoFields, resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const module = await goModule(step, context);
  const compiled = await compilePrograms({
    directory: module.directory,
    packages: module.packages,
    variables: step.ldflags ?? {},
    tags: step.tags ?? [],
    architecture: context.architecture,
    goVersion: module.goVersion,
    sourceDigests: module.inputs.filter(({ kind }) => kind === "file").map(({ digest }) => digest),
    cacheDirectory: context.cacheDirectory,
    workDirectory: context.workDirectory,
    report: context.report,
    signal: context.signal,
  });
  const tree = new FileTree();
  const programs: StoredProgram[] = [];
  for (const [path, importPath] of module.binaries) {
    const program = compiled.programs.find((each) => each.package === importPath);
    if (program === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `${importPath} was not compiled`);
    tree.file(path, { file: program.file, sizeBytes: program.sizeBytes }, { mode: 0o755 });
    programs.push(program);
  }
  const goVersion = programs[0]?.info.goVersion ?? "";
  refuseOtherCompiler(goVersion, resolution);
  return {
    tree,
    software: linkedSoftware(
      programs.map(({ info }) => info),
      { licenses: compiled.licenses, ...(module.ownVersion !== undefined && { ownVersion: module.ownVersion }) },
    ),
    facts: { "go-version": goVersion },
  };
}

/** Go was upgraded between resolving and making: the layer would lie under the wrong key. */
function refuseOtherCompiler(version: string, { inputs }: Resolution): void {
  const planned = inputs.find(({ kind }) => kind === "tool")?.version;
  if (planned === version) return;
  throw new PlatformError("IMAGE_BUILD_FAILED", `Go ${planned ?? ""} was planned with, ${version} compiled`, {
    remedy: "build again",
  });
}

const compiler = (version: string): Input => ({
  kind: "tool",
  name: "go",
  version,
  digest: `sha256:${createHash("sha256").update(`go version go${version}`).digest("hex")}`,
});
