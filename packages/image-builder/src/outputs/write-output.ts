/**
 * Brings a built image to where it is wanted. Whole or not at all: files and folders get their names when everything is in them and on the disk, a
 * registry's tag is written last.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { type Platform, parseReference, pushImage, RegistryClient, type RegistryOptions } from "@liquidmetal/registry";
import { StoredLayout } from "../oci/stored-layout.ts";
import { writeExt4Output } from "./ext4-output.ts";
import { writeArchiveOutput, writeLayoutOutput } from "./layout-output.ts";
import { checkOutput, type OutputTarget, parseOutputTarget } from "./output-target.ts";

export interface OutputOptions {
  /** Names of the image in the output. Default: those that it has. */
  readonly references?: readonly string[];
  /** Replaces a file that is there, and adds a layout to a folder that has something else in it. Default false. */
  readonly force?: boolean;
  /** Which platform of an index becomes a root volume. Default: this machine's. */
  readonly platform?: Platform;
  /** Size of a root volume. Default: what is in it, and at least 256 MiB more, in steps of 512 MiB. */
  readonly sizeMiB?: number;
  /** Default: docker's credentials with their helpers, and the mirrors and certificates of /etc/containerd/certs.d. */
  readonly registry?: RegistryOptions;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenOutput {
  /** Of the image: its index, or its only manifest. */
  readonly digest: string;
}

/**
 * Writes the image of `layout` (an OCI layout folder, or a tar of one) to `target`.
 *
 * Errors: REQUEST_INVALID (the target, or what is there), IMAGE_NOT_FOUND, IMAGE_CORRUPT, IMAGE_WRONG_PLATFORM, IMAGE_UNAUTHORIZED,
 * IMAGE_PUSH_FAILED, DISK_FULL.
 */
export async function writeOutput(
  layout: string,
  target: string | OutputTarget,
  options: OutputOptions = {},
): Promise<WrittenOutput> {
  const wanted = typeof target === "string" ? parseOutputTarget(target) : target;
  const existing = await checkOutput(wanted, options.force === true);
  const stored = await StoredLayout.open(layout, options.signal);
  switch (wanted.kind) {
    case "oci":
      return await writeLayoutOutput(stored, wanted.path, existing, options);
    case "oci-archive":
      return await writeArchiveOutput(stored, wanted.path, options);
    case "ext4":
      return await writeExt4Output(stored, wanted.path, options);
    case "registry":
      return await push(stored, wanted.reference, options);
    default:
      return wanted satisfies never;
  }
}

async function push(stored: StoredLayout, reference: string, options: OutputOptions): Promise<WrittenOutput> {
  const { descriptor } = stored.image;
  const { onProgress, signal } = options;
  await pushImage(
    new RegistryClient(options.registry ?? defaultRegistryOptions()),
    parseReference(reference),
    stored,
    descriptor,
    {
      referrers: stored.referrers.map((one) => one.descriptor),
      onProgress: onProgress && (({ doneBytes, totalBytes }) => onProgress(doneBytes, totalBytes)),
      signal,
    },
  );
  return { digest: descriptor.digest };
}

/** What `docker` and `containerd` on this machine use. */
export function defaultRegistryOptions(): RegistryOptions {
  const folder = process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker");
  return {
    credentialsPath: process.env["REGISTRY_AUTH_FILE"] ?? join(folder, "config.json"),
    credentialHelpers: true,
    hostsDirectory: "/etc/containerd/certs.d",
  };
}
