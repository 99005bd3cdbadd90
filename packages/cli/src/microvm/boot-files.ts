/**
 * Which kernel and which initrd an image means, where the user names the image alone: its labels say so.
 *
 * Only for an image that the host has already: a pull belongs to the host. Without labels the host's own defaults hold, as in flintlock.
 */
import { create } from "@bufbuild/protobuf";
import { MicroVMSpecSchema } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import type { Spec } from "../client/messages.ts";

/** Labels of a kernel image, as @liquidmetal/image-builder writes them. The ELF kernel starts faster: it does not unpack itself. */
const labels = {
  elf: "dev.liquidmetal.kernel.elf.path",
  kernel: "dev.liquidmetal.kernel.path",
  initrd: "dev.liquidmetal.initrd.path",
} as const;

/** The spec with the files that the kernel image's labels name, as far as it names none itself. A spec with an initrd keeps it. */
export async function withBootFiles(spec: Spec, host: HostClient, signal: AbortSignal): Promise<Spec> {
  const { kernel, initrd } = spec;
  if (kernel === undefined || kernel.filename !== undefined || initrd !== undefined) return spec;
  const said = await labelsOf(kernel.image, host, signal);
  const filename = said[labels.elf] ?? said[labels.kernel];
  const initrdFile = said[labels.initrd];
  const { $typeName: _type, $unknown: _unknown, ...fields } = spec;
  return create(MicroVMSpecSchema, {
    ...fields,
    ...(filename === undefined ? {} : { kernel: { image: kernel.image, cmdline: kernel.cmdline, filename } }),
    ...(initrdFile === undefined ? {} : { initrd: { image: kernel.image, filename: initrdFile } }),
  });
}

async function labelsOf(
  reference: string,
  host: HostClient,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  try {
    return (await host.inspectImage(reference, { signal })).labels;
  } catch (error) {
    // Not there yet, a name that the host will complain about itself, or a server that knows no such call.
    const ignored = error instanceof PlatformError && ["not-found", "invalid", "unsupported"].includes(error.kind);
    if (ignored) return {};
    throw error;
  }
}
