/**
 * `kernel-source`: a kernel compiled from the distribution's source package with the recipe's configuration fragments; nothing modular, no initrd.
 *
 * amd64: `boot/vmlinux` (ELF with the PVH entry) and `boot/vmlinuz` (bzImage). arm64: `boot/vmlinux` is the uncompressed Image, which is what
 * hypervisors load there. Both: `boot/config`.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import { type ArchiveChoice, type ArchiveOptions, machineArchitecture } from "../../debian/apt-archive.ts";
import { packageSoftware } from "../../debian/control-stanzas.ts";
import { packageInputs, type ResolvedPackage, resolvePackages } from "../../debian/resolution.ts";
import { archiveOptions } from "../../debian/step-archive.ts";
import { fetchAndUnpack, findFile } from "../../debian/unpacking.ts";
import { extractVmlinux } from "../../kernel/bzimage.ts";
import { type Demand, mergeDemands, parseFragment } from "../../kernel/config-fragment.ts";
import { configureKernel } from "../../kernel/kernel-build.ts";
import { kernelTarget, kernelToolInputs } from "../../kernel/kernel-tools.ts";
import { hasPvhEntry } from "../../kernel/pvh-entry.ts";
import { sourcePath } from "../../recipe-language/source-path.ts";
import { installedLicense } from "../../supply-chain/installed-license.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { Input } from "../input.ts";
import { sourcesField, suiteField } from "../packages/fields.ts";
import type { Architecture, MadeLayer, MakeContext, Resolution, StepContext, StepKind } from "../step-kind.ts";

export interface KernelSourceFields extends ArchiveChoice {
  readonly package: string;
  readonly fragments: readonly string[];
}

const fields: z.ZodType<KernelSourceFields> = z.strictObject({
  package: z
    .string()
    .regex(/^linux-source-\d+\.\d+$/, "must be a source package of the kernel, as in linux-source-6.1")
    .describe("The distribution's package with the kernel's source."),
  suite: suiteField,
  sources: sourcesField,
  fragments: z
    .array(z.string().min(1).max(1024))
    .min(1)
    .max(100)
    .describe(
      "Files of the recipe in the kernel's configuration syntax, the later counts. Every line is a demand: a kernel that says otherwise fails the build. What none names is off.",
    ),
});

export const kernelSource: StepKind<KernelSourceFields> = {
  name: "kernel-source",
  summary:
    "A kernel compiled from the distribution's source package with the recipe's configuration, everything built in.",
  revision: 1,
  fields,
  resolve,
  make,
};

async function resolve(step: KernelSourceFields, context: StepContext): Promise<Resolution> {
  const files: Input[] = [];
  for (const fragment of new Set(step.fragments)) {
    const digest = createHash("sha256")
      .update(await readFragment(fragment, context))
      .digest("hex");
    files.push({ kind: "file", name: fragment, digest: `sha256:${digest}` });
  }
  // Found out before anything is downloaded.
  await demandsOf(step, context);
  const tools = await kernelToolInputs(kernelTarget(context.architecture), context.signal);
  return {
    inputs: [...packageInputs([await sourcePackage(step, context)]), ...files, ...tools],
    dependsOnBelow: false,
  };
}

async function make(step: KernelSourceFields, resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const { workDirectory, signal, report, dateSeconds, architecture } = context;
  const source = await sourcePackage(step, context);
  if (!resolution.inputs.some(({ digest }) => digest === `sha256:${source.sha256}`)) {
    throw new PlatformError("IMAGE_BUILD_FAILED", "the package lists changed while the kernel was built", {
      remedy: "build again",
    });
  }
  const packages = await fetchAndUnpack([source], { ...sourceArchive(step, context), workDirectory });
  const archive = await findFile(packages, /^usr\/src\/linux-source-[^/]+\.tar\.(xz|zst|gz)$/);
  const copyright = await findFile(packages, /^usr\/share\/doc\/linux-source-[^/]+\/copyright$/);
  const license = await readFile(copyright.hostPath);
  const directory = join(workDirectory, "kernel");
  await mkdir(directory);
  const configured = await configureKernel({
    sourceArchive: archive.hostPath,
    demands: await demandsOf(step, context),
    target: kernelTarget(architecture),
    dateSeconds,
    directory,
    report,
    signal,
  });
  const image = await readFile(await configured.compile());
  const tree = new FileTree().file("boot/config", configured.configuration);
  await addKernel(tree, image, architecture, signal);
  tree.file(`usr/share/doc/${source.name}/copyright`, { bytes: license });
  return {
    tree,
    software: [packageSoftware(source.vendor, source, source.sha256, installedLicense(tree, source.name))],
    facts: { "kernel-release": configured.release, "kernel-version": source.version },
  };
}

/** What a hypervisor loads has to be what it says: an ELF file with the PVH entry, or an ARM Image. */
async function addKernel(
  tree: FileTree,
  image: Buffer,
  architecture: Architecture,
  signal: AbortSignal,
): Promise<void> {
  if (architecture === "arm64") {
    // Documentation/arm64/booting.rst: the magic number of the header.
    if (image.toString("latin1", 56, 60) !== "ARM\x64") throw invalid("the compiled kernel is no ARM Image");
    tree.file("boot/vmlinux", { bytes: image });
    return;
  }
  const vmlinux = await extractVmlinux(image, { signal });
  if (!hasPvhEntry(vmlinux)) throw invalid("the compiled kernel has no PVH entry: CONFIG_PVH=y is missing");
  tree.file("boot/vmlinux", { bytes: vmlinux }).file("boot/vmlinuz", { bytes: image });
}

async function demandsOf({ fragments }: KernelSourceFields, context: StepContext): Promise<readonly Demand[]> {
  const parsed: (readonly Demand[])[] = [];
  for (const fragment of fragments) parsed.push(parseFragment(fragment, await readFragment(fragment, context)));
  return mergeDemands(parsed);
}

const readFragment = async (fragment: string, context: StepContext): Promise<string> =>
  readFile(await sourcePath(fragment, context), "utf8");

/** The package is for all architectures: the machine's own lists know it, whatever the kernel is for. */
const sourceArchive = (step: KernelSourceFields, context: StepContext): ArchiveOptions => ({
  ...archiveOptions(step, context),
  architecture: machineArchitecture() === "arm64" ? "arm64" : "amd64",
});

async function sourcePackage(step: KernelSourceFields, context: StepContext): Promise<ResolvedPackage> {
  const resolved = await resolvePackages([[step.package]], sourceArchive(step, context));
  const source = resolved.find(({ name }) => name === step.package);
  if (source === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `apt did not resolve ${step.package}`);
  return source;
}

const invalid = (why: string): PlatformError => new PlatformError("KERNEL_INVALID", why);
