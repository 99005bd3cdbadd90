/**
 * The step `debian`: a Debian root by mmdebstrap, or packages and scripts on top of the one below.
 *
 * Downloads are apt's, verified and kept by digest; what runs code of packages or of the recipe runs in the sandbox, which has neither network nor
 * anything of this machine in reach.
 */

import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { machineArchitecture } from "../../debian/apt-archive.ts";
import { installedPackages, type PackageIdentity, packageSoftware } from "../../debian/control-stanzas.ts";
import { downloadPackages } from "../../debian/deb-store.ts";
import { isDevice, makeDebianRoot } from "../../debian/debian-root.ts";
import { packageInputs, type ResolvedPackage, resolvePackages } from "../../debian/resolution.ts";
import { assertSandbox } from "../../debian/sandbox.ts";
import { archiveOptions } from "../../debian/step-archive.ts";
import { installedLicense } from "../../supply-chain/installed-license.ts";
import { readContent } from "../../tree/content.ts";
import { difference } from "../../tree/difference.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { MadeLayer, MakeContext, Resolution, StepContext, StepKind } from "../step-kind.ts";
import { type DebianFields, debianFields } from "./fields.ts";

export const debian: StepKind<DebianFields> = {
  name: "debian",
  summary: "Makes a Debian root, or adds packages to the one below.",
  revision: 1,
  fields: debianFields,
  async resolve(fields, context): Promise<Resolution> {
    if (context.architecture !== machineArchitecture()) {
      throw new PlatformError(
        "CAPABILITY_MISSING",
        `maintainer scripts of ${context.architecture} cannot run on this machine (${machineArchitecture()})`,
        { remedy: `build the recipe on a machine of ${context.architecture}` },
      );
    }
    const packages = await wanted(fields, context);
    return { inputs: packageInputs(packages), dependsOnBelow: fields.variant === undefined };
  },
  make,
};

const statusFile = "var/lib/dpkg/status";
const statusMaxBytes = 256 * 1024 * 1024;
/** What mmdebstrap takes by itself for each variant, as apt's patterns say it. */
const variantPatterns = {
  minbase: ["?essential", "?priority(required)", "apt", "usr-is-merged"],
  essential: ["?essential", "usr-is-merged"],
  apt: ["?essential", "apt", "usr-is-merged"],
} as const;

async function wanted(fields: DebianFields, context: StepContext): Promise<readonly ResolvedPackage[]> {
  const include = fields.include ?? [];
  const patterns = fields.variant === undefined ? [] : variantPatterns[fields.variant];
  if (include.length + patterns.length === 0) return [];
  return await resolvePackages([[...patterns, ...include]], archiveOptions(fields, context));
}

async function make(fields: DebianFields, _resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const { dateSeconds, signal } = context;
  await assertSandbox(signal);
  const resolved = await wanted(fields, context);
  const below = fields.variant === undefined ? withoutDevices(await context.below()) : undefined;
  const before = below === undefined ? new Map<string, PackageIdentity>() : statusOf(below);
  if (below !== undefined && before.size === 0) {
    throw new PlatformError("IMAGE_BUILD_FAILED", "there is no Debian root below to add packages to", {
      remedy: "name an image in 'from', or make a new root with 'variant: minbase'",
    });
  }
  // What is there in the same version is not needed again.
  const packages = resolved.filter(({ name, version }) => before.get(name)?.version !== version);
  const files = await downloadPackages(packages, archiveOptions(fields, context));
  const newRoot = fields.variant !== undefined;
  const whole = await makeDebianRoot({
    architecture: context.architecture,
    variant: fields.variant ?? "custom",
    include: [...(newRoot ? ["usr-is-merged"] : []), ...(fields.include ?? [])],
    packages,
    files,
    exclude: fields.exclude ?? [],
    scripts: fields.scripts ?? [],
    below,
    dateSeconds,
    outputFile: join(context.workDirectory, "root.tar"),
    report: context.report,
    signal,
  });
  const software = installedSoftware(whole, before, resolved);
  if (below === undefined) return { tree: whole, software };
  context.report("comparing with the layers below");
  return { tree: await difference(below, whole, { dateSeconds, signal }), software };
}

function installedSoftware(
  whole: FileTree,
  before: ReadonlyMap<string, PackageIdentity>,
  resolved: readonly ResolvedPackage[],
): MadeLayer["software"] {
  const fresh = [...statusOf(whole).values()].filter(({ name, version }) => before.get(name)?.version !== version);
  const known = new Map(resolved.map((one) => [`${one.name}=${one.version}`, one]));
  return fresh
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((identity) => {
      const origin = known.get(`${identity.name}=${identity.version}`);
      const license = installedLicense(whole, identity.name);
      return packageSoftware(origin?.vendor ?? "debian", identity, origin?.sha256, license);
    });
}

function withoutDevices(tree: FileTree): FileTree {
  const kept = new FileTree();
  for (const [path, entry] of tree.entries()) if (!isDevice(entry)) kept.put(path, entry);
  return kept;
}

/** What dpkg says is installed in a tree. */
function statusOf(tree: FileTree): ReadonlyMap<string, PackageIdentity> {
  const entry = tree.get(statusFile);
  if (entry?.kind !== "file") return new Map();
  return installedPackages(readContent(entry.content, statusMaxBytes).toString());
}
