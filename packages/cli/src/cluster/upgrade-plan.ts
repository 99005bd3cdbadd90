/**
 * What an upgrade changes, planned before anything is: new templates where the image changes, then the control plane, then each pool of workers.
 *
 * Templates are never changed in place: Cluster API rolls machines when the name of their template changes. A template's name comes from what it holds,
 * so an upgrade that is begun again goes on where it was.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { upgradeObstacle } from "./kubernetes-version.ts";
import type { Cluster, ControlPlane, MicrovmMachineTemplate, WorkerPool } from "./objects.ts";

export interface UpgradeImages {
  readonly root?: string;
  readonly kernel?: string;
  readonly kernelFile?: string;
  readonly initrd?: { readonly image: string; readonly filename?: string };
}

/** One control plane or pool that has to change. */
export interface UpgradeStep {
  readonly name: string;
  readonly fromVersion: string;
  /** The template to be made, when the one in use has other images. */
  readonly template?: { readonly name: string; readonly body: object };
}

type TemplateSpec = NonNullable<NonNullable<NonNullable<MicrovmMachineTemplate["spec"]>["template"]>["spec"]>;

/** Throws REQUEST_INVALID for a version that cannot follow the control plane's, or one that workers are newer than. */
export function checkUpgrade(version: string, controlPlaneVersion: string, pools: readonly WorkerPool[]): void {
  const obstacle = upgradeObstacle(controlPlaneVersion, version);
  if (obstacle !== undefined) throw refused(obstacle);
  for (const pool of pools) {
    const own = pool.spec?.template?.spec?.version;
    const ownObstacle = own === undefined ? undefined : upgradeObstacle(own, version);
    // Nodes may be several minors behind their control plane, and go over them at once.
    if (own !== undefined && ownObstacle !== undefined && /older|major/.test(ownObstacle))
      throw refused(`pool ${pool.metadata?.name}: ${ownObstacle}`);
  }
}

function refused(why: string): PlatformError {
  return new PlatformError("REQUEST_INVALID", why, { remedy: "name the next version, one minor at a time" });
}

/** `undefined` when nothing has to change. */
export function planStep(
  object: ControlPlane | WorkerPool,
  template: MicrovmMachineTemplate | undefined,
  wanted: { readonly version: string; readonly images: UpgradeImages },
): UpgradeStep | undefined {
  const { metadata, spec } = object;
  const name = metadata?.name ?? "";
  const own = spec as {
    readonly version?: string;
    readonly template?: { readonly spec?: { readonly version?: string } };
  };
  const fromVersion = own?.version ?? own?.template?.spec?.version ?? "";
  const made = template === undefined ? undefined : newTemplate(name, template, wanted);
  if (fromVersion === wanted.version && made === undefined) return undefined;
  return { name, fromVersion, ...(made === undefined ? {} : { template: made }) };
}

function newTemplate(
  owner: string,
  template: MicrovmMachineTemplate,
  { version, images }: { readonly version: string; readonly images: UpgradeImages },
): UpgradeStep["template"] {
  const before: TemplateSpec = template.spec?.template?.spec ?? {};
  const after = withImages(before, images);
  if (JSON.stringify(after) === JSON.stringify(before)) return undefined;
  const digest = createHash("sha256").update(JSON.stringify(after)).digest("hex").slice(0, 8);
  const name = `${owner.slice(0, 200)}-${version.replaceAll(/[^0-9a-z]+/gi, "-").toLowerCase()}-${digest}`;
  const labels = template.metadata?.labels;
  return {
    name,
    body: {
      metadata: labels === undefined ? {} : { labels },
      spec: { template: { ...template.spec?.template, spec: after } },
    },
  };
}

function withImages(spec: TemplateSpec, { root, kernel, kernelFile, initrd }: UpgradeImages): TemplateSpec {
  const { initrd: initrdBefore, ...rest } = spec;
  const changesKernel = kernel !== undefined && kernel !== spec.kernel?.image;
  const initrdAfter = initrd ?? (changesKernel ? undefined : initrdBefore);
  return {
    ...rest,
    ...(root === undefined ? {} : { rootVolume: { ...spec.rootVolume, image: root } }),
    ...(kernel === undefined
      ? {}
      : { kernel: { ...spec.kernel, image: kernel, ...(kernelFile === undefined ? {} : { filename: kernelFile }) } }),
    ...(initrdAfter === undefined ? {} : { initrd: initrdAfter }),
  };
}

/** Of a topology: the variable `images` with the new ones. `undefined` where it has no such variable. */
export function topologyImages(
  cluster: Cluster,
  { root, kernel, kernelFile, initrd }: UpgradeImages,
): { readonly index: number; readonly value: object } | undefined {
  const variables = cluster.spec?.topology?.variables ?? [];
  const index = variables.findIndex(({ name }) => name === "images");
  const before = variables[index]?.value;
  if (typeof before !== "object" || before === null) return undefined;
  const value = {
    ...before,
    ...(root === undefined ? {} : { root }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(kernelFile === undefined ? {} : { kernelFilename: kernelFile }),
    ...(initrd === undefined ? {} : { initrd }),
  };
  return { index, value };
}
