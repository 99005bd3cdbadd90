/**
 * The step `archive`: prebuilt files from where a site keeps them, for those who have a mirror. The recipe states the digest; nothing else is believed.
 *
 * No file of the archive gets a name on this machine: contents go from the uncompressed tar straight into the layer.
 */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { treeOfTar } from "../../oci/layer-tree.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { Input, Software } from "../input.ts";
import type { MadeLayer, MakeContext, Resolution, StepKind } from "../step-kind.ts";
import { downloaded } from "./download.ts";
import { type ArchiveFields, fields } from "./fields.ts";
import { selected } from "./selection.ts";
import { archiveFormat, decompress } from "./unpacking.ts";

export const archive: StepKind<ArchiveFields> = {
  name: "archive",
  summary: "Takes files out of an archive, or a plain file, that is fetched from a URL and compared with its digest.",
  revision: 1,
  fields,
  resolve,
  make,
};

const plainMode = 0o755;

async function resolve(step: ArchiveFields): Promise<Resolution> {
  refuseCredentials(step.url);
  return { inputs: [inputOf(step)], dependsOnBelow: false };
}

async function make(step: ArchiveFields, _resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const { workDirectory, signal, report } = context;
  const fetched = await downloaded(step, context);
  let file = fetched;
  let format = await archiveFormat(fetched);
  if (format === "gzip" || format === "xz" || format === "zstd") {
    report("unpacking");
    file = join(workDirectory, "unpacked");
    format = await decompress(fetched, format, file, { signal });
  }
  if (format !== "tar" && format !== "plain") {
    throw new PlatformError("IMAGE_BUILD_FAILED", `${step.url} is a ${format} archive, which is not understood`, {
      remedy: "name a tar archive (plain, gzip, xz, zstd) or a plain file",
    });
  }
  const mode = step.mode === undefined ? undefined : Number.parseInt(step.mode, 8);
  const tree =
    format === "tar"
      ? selected(await treeOfTar(file, { layer: false, signal }), {
          strip: step.strip,
          files: step.files,
          ...(mode !== undefined && { mode }),
        })
      : await plainFile(step, file, mode ?? plainMode);
  return { tree, software: [softwareOf(step)] };
}

async function plainFile(step: ArchiveFields, file: string, mode: number): Promise<FileTree> {
  const [[wanted, destination] = ["", ""], ...more] = Object.entries(step.files);
  if (wanted !== "*" || more.length > 0) {
    throw new PlatformError(
      "IMAGE_BUILD_FAILED",
      `${step.url} is a plain file, no archive: say where it goes with '*'`,
    );
  }
  return new FileTree().file(destination, { file, sizeBytes: (await stat(file)).size }, { mode });
}

/** They would stand in the provenance for everyone to read. */
function refuseCredentials(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.username === "" && parsed.password === "")) return;
  throw new PlatformError("RECIPE_INVALID", `the URL of an archive on ${parsed.host} holds a user name or password`, {
    remedy: "leave them out: recipes and provenance are read by others",
  });
}

const inputOf = ({ url, digest, version }: ArchiveFields): Input => ({
  kind: "archive",
  name: url,
  digest,
  ...(version !== undefined && { version }),
  purl: packageUrl(url, digest, version),
});

const softwareOf = ({ url, digest, version }: ArchiveFields): Software => ({
  name: nameOf(url),
  version: version ?? digest.slice("sha256:".length, "sha256:".length + 12),
  purl: packageUrl(url, digest, version),
  digest,
});

const nameOf = (url: string): string => basename(URL.canParse(url) ? new URL(url).pathname : url) || "archive";

/** https://github.com/package-url/purl-spec, type generic. */
function packageUrl(url: string, digest: string, version?: string): string {
  const where = /^https?:/.test(url) ? `&download_url=${encodeURIComponent(url)}` : "";
  const at = version === undefined ? "" : `@${encodeURIComponent(version)}`;
  return `pkg:generic/${encodeURIComponent(nameOf(url))}${at}?checksum=${encodeURIComponent(digest)}${where}`;
}
