/**
 * Which images a cluster's machines are made of: those that were named, else those that the host of the local platform has, told by their labels.
 *
 * A node image says its version of Kubernetes in `dev.liquidmetal.kubernetes.version`; a kernel image says where the kernel lies in it.
 */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { PlatformError } from "@liquidmetal/foundation";
import type { Image } from "../../client/messages.ts";
import { compareVersions, parseVersion } from "../kubernetes-version.ts";

export interface MachineImages {
  readonly root: string;
  readonly kernel: string;
  /** Path in the kernel's image; absent = the template's default. */
  readonly kernelFile?: string;
  readonly initrd?: { readonly image: string; readonly filename?: string };
  /** Of the node image, as in v1.36.3. */
  readonly version: string;
}

/** What the user said; the rest is looked for. */
export interface NamedImages {
  readonly version?: string;
  readonly root?: string;
  readonly kernel?: string;
  readonly kernelFile?: string;
  readonly initrd?: string;
  readonly initrdFile?: string;
}

export const versionLabel = "dev.liquidmetal.kubernetes.version";
const kernelLabels = ["dev.liquidmetal.kernel.elf.path", "dev.liquidmetal.kernel.path"] as const;
const initrdLabel = "dev.liquidmetal.initrd.path";

/** True when nothing has to be looked for. */
export function isComplete(named: NamedImages): boolean {
  return named.version !== undefined && named.root !== undefined && named.kernel !== undefined;
}

/** `present`: images of the host. Throws IMAGE_NOT_FOUND, saying what is there and how to make what is not. */
export function chooseImages(named: NamedImages, present: readonly Image[]): MachineImages {
  const node = nodeImage(named, present);
  const kernel = kernelImage(named, present);
  return { ...node, ...kernel };
}

function nodeImage(named: NamedImages, present: readonly Image[]): Pick<MachineImages, "root" | "version"> {
  if (named.root !== undefined) {
    const said = present.find(({ reference }) => reference === named.root)?.labels[versionLabel];
    const version = named.version ?? said;
    if (version === undefined) {
      throw new PlatformError("REQUEST_INVALID", `the image ${named.root} does not say its version of Kubernetes`, {
        remedy: "say it with --kubernetes-version",
      });
    }
    if (said !== undefined && said !== version) {
      throw new PlatformError("REQUEST_INVALID", `the image ${named.root} is of Kubernetes ${said}, not ${version}`, {
        remedy: "name another image, or its own version",
      });
    }
    return { root: named.root, version };
  }
  const found = nodeImages(present).filter(({ version }) => named.version === undefined || version === named.version);
  const [best] = found;
  if (best !== undefined) return { root: best.image.reference, version: best.version };
  const known = [...new Set(nodeImages(present).map(({ version }) => version))];
  const wanted = named.version === undefined ? "" : ` of Kubernetes ${named.version}`;
  const others = known.length === 0 ? "" : ` (there are ${known.join(", ")})`;
  const parameter = named.version === undefined ? "" : ` --set kubernetes=${named.version.slice(1)}`;
  throw new PlatformError("IMAGE_NOT_FOUND", `the host has no node image${wanted}${others}`, {
    remedy: `make one with 'lm image build node/kubernetes${parameter} --output containerd', or name one with --image`,
  });
}

/** The newest version first; of one version the image that was made last. */
function nodeImages(present: readonly Image[]): readonly { readonly image: Image; readonly version: string }[] {
  return present
    .flatMap((image) => {
      const version = image.labels[versionLabel];
      const parsed = version === undefined ? undefined : parseVersion(version);
      return version === undefined || parsed === undefined ? [] : [{ image, version, parsed }];
    })
    .sort((left, right) => compareVersions(right.parsed, left.parsed) || byAge(left.image, right.image));
}

function kernelImage(named: NamedImages, present: readonly Image[]): Omit<MachineImages, "root" | "version"> {
  const [newest] = present.filter(({ labels }) => fileOf(labels) !== undefined).toSorted(byAge);
  const kernel = named.kernel ?? newest?.reference;
  if (kernel === undefined) {
    throw new PlatformError("IMAGE_NOT_FOUND", "the host has no image with a kernel", {
      remedy: "make one with 'lm image build kernel/distro --output containerd', or name one with --kernel",
    });
  }
  const labels = present.find(({ reference }) => reference === kernel)?.labels ?? {};
  const kernelFile = named.kernelFile ?? fileOf(labels);
  const initrdImage = named.initrd ?? ((named.initrdFile ?? labels[initrdLabel]) ? kernel : undefined);
  const initrdFile = named.initrdFile ?? (named.initrd === undefined ? labels[initrdLabel] : undefined);
  return {
    kernel,
    ...(kernelFile === undefined ? {} : { kernelFile }),
    ...(initrdImage === undefined
      ? {}
      : { initrd: { image: initrdImage, ...(initrdFile === undefined ? {} : { filename: initrdFile }) } }),
  };
}

function fileOf(labels: Readonly<Record<string, string>>): string | undefined {
  return kernelLabels.map((label) => labels[label]).find((path) => path !== undefined);
}

/** The youngest first. */
function byAge(left: Image, right: Image): number {
  const at = ({ createdAt }: Image): number => (createdAt === undefined ? 0 : timestampMs(createdAt));
  return at(right) - at(left) || (left.reference < right.reference ? -1 : 1);
}
