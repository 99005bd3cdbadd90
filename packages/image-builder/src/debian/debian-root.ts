/**
 * A Debian root as a tree: from nothing, or from a tree below with packages added. Made by mmdebstrap in the sandbox, out of packages that were
 * downloaded and verified before: there is no network in there.
 */
import type { Writable } from "node:stream";
import { PlatformError } from "@liquidmetal/foundation";
import { treeOfTar } from "../oci/layer-tree.ts";
import { writeTreeTar } from "../oci/tar-archive.ts";
import type { Architecture, StepReport } from "../steps/step-kind.ts";
import { FileTree, type TreeEntry } from "../tree/file-tree.ts";
import type { PackageFiles } from "./deb-store.ts";
import type { ResolvedPackage } from "./resolution.ts";
import { rootFailure } from "./root-failure.ts";
import { rootScript } from "./root-script.ts";
import { runInSandbox } from "./sandbox.ts";

export interface RootRequest {
  readonly architecture: Architecture;
  /** mmdebstrap's: `minbase`, `essential`, `apt`; `custom` = nothing but `include`. */
  readonly variant: string;
  readonly include: readonly string[];
  /** All that may be installed. */
  readonly packages: readonly ResolvedPackage[];
  readonly files: PackageFiles;
  /** Patterns of paths that dpkg leaves out; with `!` in front, that it keeps all the same. */
  readonly exclude: readonly string[];
  /** Shell programs that run in the root after the installation. */
  readonly scripts: readonly string[];
  /** Absent = from nothing. */
  readonly below?: FileTree | undefined;
  readonly dateSeconds: number;
  /** A new file: the root as a tar, which the tree's contents lie in. */
  readonly outputFile: string;
  readonly scratchMaxBytes?: number | undefined;
  readonly report: StepReport;
  readonly signal: AbortSignal;
}

const timeoutMs = 30 * 60_000;
const keptLines = 2000;

/** Errors: IMAGE_BUILD_FAILED (names the package or script that failed), DISK_FULL, TOOL_MISSING, CAPABILITY_MISSING, CANCELLED. */
export async function makeDebianRoot(request: RootRequest): Promise<FileTree> {
  const { below, dateSeconds, outputFile, report, scratchMaxBytes, signal } = request;
  const lines: string[] = [];
  const startSeconds = Math.floor(Date.now() / 1000);
  const material = materialTree(request);
  const result = await runInSandbox(rootScript, {
    environment: {
      SOURCE_DATE_EPOCH: String(dateSeconds),
      ARCHITECTURE: request.architecture,
      VARIANT: request.variant,
      PACKAGES: request.include.join(","),
      BELOW: below === undefined ? "" : "yes",
      EXCLUDES: request.exclude.map(dpkgOption).join("\n"),
      DEBIAN_FRONTEND: "noninteractive",
      PYTHONHASHSEED: "0",
    },
    writeInput: (stdin: Writable) => writeTreeTar(material, stdin, { epochSeconds: startSeconds, signal }),
    outputFile,
    onErrorLine: (line) => {
      lines.push(line);
      if (lines.length > keptLines) lines.shift();
      const stage = stageOf(line);
      if (stage !== undefined) report(stage);
    },
    scratchMaxBytes,
    timeoutMs,
    signal,
  });
  if (result.exitCode !== 0) throw rootFailure(lines.length > 0 ? lines : result.stderr.split("\n"), result.exitCode);
  const whole = await treeOfTar(outputFile, { layer: false, signal });
  return dated(whole, startSeconds, dateSeconds);
}

/** What the sandbox gets on its stdin. */
function materialTree({ packages, files, scripts, below }: RootRequest): FileTree {
  const tree = new FileTree().directory("repository").directory("hooks");
  const index: string[] = [];
  for (const { sha256, sizeBytes, stanza } of packages) {
    const file = files.get(sha256);
    if (file === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `the package ${sha256} was not downloaded`);
    tree.file(`repository/${sha256}.deb`, { file, sizeBytes });
    index.push(`${stanza.replace(/^Filename:.*$/m, `Filename: ./${sha256}.deb`)}\n`);
  }
  tree.file("repository/Packages", index.join("\n"));
  for (const [at, script] of scripts.entries()) {
    const name = String(at + 1).padStart(3, "0");
    tree.file(`scripts/${name}`, script).file(`hooks/${name}`, hookProgram(name, at + 1), { mode: 0o755 });
  }
  if (below === undefined) return tree;
  tree.directory("root");
  for (const [path, entry] of below.entries()) {
    if (!isDevice(entry))
      tree.put(`root/${path}`, entry.kind === "hardlink" ? { ...entry, target: `root/${entry.target}` } : entry);
  }
  return tree;
}

/** Device nodes cannot be made in there; the kernel's devtmpfs has them in the guest. */
export const isDevice = ({ kind }: TreeEntry): boolean => kind === "character-device" || kind === "block-device";

/** mmdebstrap gives it the root as its argument, with /proc and /dev mounted. */
const hookProgram = (name: string, number: number): string => `#!/bin/sh
chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \\
  SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" PYTHONHASHSEED=0 /bin/sh -euc "$(cat /build/scripts/${name})" "script ${number}" || {
  echo "liquidmetal: script ${number} failed with $?"
  exit 1
}
`;

/** dpkg's patterns begin with a slash. */
const dpkgOption = (pattern: string): string =>
  pattern.startsWith("!") ? `path-include=/${pattern.slice(1)}` : `path-exclude=/${pattern}`;

function stageOf(line: string): string | undefined {
  if (line.startsWith("I: extracting")) return "unpacking the essential packages";
  if (line.startsWith("I: installing essential")) return "installing the essential packages";
  if (line.startsWith("I: installing remaining")) return "installing packages";
  if (line.startsWith("I: running --customize-hook")) return "running scripts";
  return line.startsWith("I: cleaning") ? "tidying up" : undefined;
}

/** Whatever was written while it was made is as old as the image; what packages bring keeps its time. */
function dated(whole: FileTree, startSeconds: number, dateSeconds: number): FileTree {
  const tree = new FileTree();
  for (const [path, entry] of whole.entries()) {
    if (isDevice(entry)) continue;
    const made = (entry.mtimeSeconds ?? startSeconds) >= startSeconds;
    tree.put(path, made ? { ...entry, mtimeSeconds: dateSeconds } : entry);
  }
  return tree;
}
