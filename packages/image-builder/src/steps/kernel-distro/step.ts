/**
 * `kernel-distro`: the distribution's kernel for virtual machines, ready to boot; and its modules, for the root volumes that run on it.
 *
 * A kernel image says `kernel-distro: {}`. A root volume says `kernel-distro: {boot: false, modules: {directory: usr/lib/modules}}` and has the modules
 * of the very package that the kernel image is made of, as long as both are built from the same package lists; `${facts.kernel-release}` tells them
 * apart, and the initrd says on the console when a root volume has the modules of another release only.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { ArchiveChoice } from "../../debian/apt-archive.ts";
import { packageSoftware } from "../../debian/control-stanzas.ts";
import { packageInputs, type ResolvedPackage, resolvePackages } from "../../debian/resolution.ts";
import { archiveOptions } from "../../debian/step-archive.ts";
import { fetchAndUnpack, type UnpackedPackage } from "../../debian/unpacking.ts";
import {
  distroBootTree,
  initrdModules,
  isKernelPackage,
  isUsedPackage,
  kernelFiles,
  kernelPackages,
  shellPackage,
} from "../../kernel/distro-kernel.ts";
import { depmodInput, moduleTree, nodeModules } from "../../kernel/module-tree.ts";
import { installedLicense } from "../../supply-chain/installed-license.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { Input } from "../input.ts";
import { packageName, sourcesField, suiteField } from "../packages/fields.ts";
import type { MadeLayer, MakeContext, Resolution, StepContext, StepKind } from "../step-kind.ts";

export interface KernelDistroFields extends ArchiveChoice {
  readonly anyOf?: readonly (readonly string[])[] | undefined;
  readonly boot?: boolean | undefined;
  readonly modules?: { readonly directory: string; readonly select?: readonly string[] | undefined } | undefined;
}

const directory = z
  .string()
  .regex(
    /^(usr\/)?lib\/modules$/,
    "must be lib/modules, or usr/lib/modules where the tree has /lib as a link to usr/lib",
  );

const fields: z.ZodType<KernelDistroFields> = z
  .strictObject({
    anyOf: z
      .array(z.array(packageName).min(1))
      .min(1)
      .optional()
      .describe(
        "Sets of packages with a kernel, the first that the archive has is taken. Default: Debian's cloud kernel, Ubuntu's for virtual machines, any kernel.",
      ),
    suite: suiteField,
    sources: sourcesField,
    boot: z
      .boolean()
      .optional()
      .describe("Whether boot/vmlinuz, boot/vmlinux (ELF), boot/initrd.img and boot/config are made. Default: true."),
    modules: z
      .strictObject({
        directory: directory.describe(
          "Where the modules go: usr/lib/modules in a root volume of today's distributions, else lib/modules.",
        ),
        select: z
          .array(z.string().min(1).max(512))
          .min(1)
          .max(200)
          .optional()
          .describe(
            "Globs of paths below lib/modules/<release>/kernel, as in net/bridge/** or drivers/net/veth.ko; dependencies come along. Default: what Kubernetes nodes use.",
          ),
      })
      .optional()
      .describe("Puts the kernel's modules into the tree, with the indexes of depmod."),
  })
  .refine(
    (value) => value.boot !== false || value.modules !== undefined,
    "with boot: false and no modules nothing is made",
  );

export const kernelDistro: StepKind<KernelDistroFields> = {
  name: "kernel-distro",
  summary: "The distribution's kernel for virtual machines with an initrd, or its modules for a root volume.",
  revision: 2,
  fields,
  resolve,
  make,
};

async function resolve(step: KernelDistroFields, context: StepContext): Promise<Resolution> {
  const inputs: Input[] = packageInputs(await usedPackages(step, context));
  if (step.boot !== false) inputs.push(await initInput(context));
  if (step.modules !== undefined) inputs.push(await depmodInput(context.signal));
  return { inputs, settings: { initrdModules, select: selected(step) }, dependsOnBelow: false };
}

async function make(step: KernelDistroFields, resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const { workDirectory, report, signal, dateSeconds } = context;
  const resolved = await usedPackages(step, context);
  const promised = new Set(resolution.inputs.map(({ digest }) => digest));
  if (packageInputs(resolved).some(({ digest }) => !promised.has(digest))) {
    throw new PlatformError("IMAGE_BUILD_FAILED", "the package lists changed while the kernel was built", {
      remedy: "build again",
    });
  }
  const packages = await fetchAndUnpack(resolved, { ...archiveOptions(step, context), workDirectory });
  const files = await kernelFiles(packages);
  const tree = new FileTree();
  if (step.boot !== false) {
    report("taking the kernel apart");
    addAll(tree, await distroBootTree(packages, { init: await initText(context), dateSeconds, signal }));
  }
  if (step.modules !== undefined) {
    report("choosing modules");
    const options = {
      select: selected(step),
      directory: step.modules.directory,
      workDirectory: join(workDirectory, "root"),
      signal,
    };
    addAll(tree, await moduleTree(files, options));
  }
  await addCopyrights(tree, packages);
  const kernel = resolved.find(({ name }) => isKernelPackage(name));
  return {
    tree,
    software: resolved.map((one) => packageSoftware(one.vendor, one, one.sha256, installedLicense(tree, one.name))),
    facts: { "kernel-release": files.release, "kernel-version": kernel?.version ?? files.release },
  };
}

const selected = (step: KernelDistroFields): readonly string[] => step.modules?.select ?? nodeModules;

/** The packages whose files are used, in apt's order. */
async function usedPackages(step: KernelDistroFields, context: StepContext): Promise<readonly ResolvedPackage[]> {
  if (context.architecture !== "amd64") {
    throw new PlatformError("CAPABILITY_MISSING", `kernel-distro is not for ${context.architecture}: only for amd64`);
  }
  const sets = (step.anyOf ?? kernelPackages).map((names) => (step.boot === false ? names : [...names, shellPackage]));
  const resolved = await resolvePackages(sets, archiveOptions(step, context));
  return resolved.filter(({ name }) => isUsedPackage(name) && (step.boot !== false || name !== shellPackage));
}

const initText = (context: StepContext): Promise<string> =>
  readFile(join(context.guestDirectory, "initrd/init"), "utf8");

async function initInput(context: StepContext): Promise<Input> {
  const digest = createHash("sha256")
    .update(await initText(context))
    .digest("hex");
  return { kind: "file", name: "guest:initrd/init", digest: `sha256:${digest}` };
}

function addAll(tree: FileTree, more: FileTree): void {
  for (const [path, entry] of more.entries()) if (!more.implied(path)) tree.put(path, entry);
}

/** The licences of what was packed travel with it. */
async function addCopyrights(tree: FileTree, packages: readonly UnpackedPackage[]): Promise<void> {
  for (const { name, directory: root } of packages) {
    const path = `usr/share/doc/${name}/copyright`;
    const text = await readFile(join(root, path)).catch(() => undefined);
    if (text !== undefined) tree.file(path, { bytes: text });
  }
}
