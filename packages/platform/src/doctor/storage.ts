/** Room and means for volumes: free space, reflinks, containerd's snapshotters, device-mapper. */
import {
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { output, which } from "./command.ts";
import { type Check, type CheckContext, type Finding, info, ok, warn } from "./finding.ts";

const gibibyte = 1_073_741_824;
const freeMinimumBytes = 5 * gibibyte;
const stateDirectory = "/var/lib/liquidmetal";

export const storageChecks: readonly Check[] = [
  { id: "storage.space", title: "Disk", run: space },
  { id: "storage.reflink", title: "Reflinks", run: reflink },
  { id: "storage.overlay", title: "overlayfs", run: overlay },
  { id: "storage.devmapper", title: "device-mapper", run: devmapper },
  { id: "storage.snapshotters", title: "Snapshotters", run: snapshotters },
];

/** The nearest directory of the state directory's path that exists. */
function volumeDirectory(): string {
  let path = stateDirectory;
  while (!existsSync(path)) path = dirname(path);
  return path;
}

function space(): readonly Finding[] {
  const directory = volumeDirectory();
  const { bavail, bsize, blocks } = statfsSync(directory);
  const freeBytes = bavail * bsize;
  const detail = `${(freeBytes / gibibyte).toFixed(1)} of ${((blocks * bsize) / gibibyte).toFixed(1)} GiB free at ${directory}`;
  return [
    freeBytes < freeMinimumBytes
      ? warn("storage.space", "Disk", detail, "free some space, or use --state-dir elsewhere")
      : ok("storage.space", "Disk", detail),
  ];
}

/** Clones one small file, beside the place where volumes would be, and removes both again. */
function reflink(): readonly Finding[] {
  const near = volumeDirectory();
  let directory: string;
  try {
    directory = mkdtempSync(join(near, ".lm-doctor-"));
  } catch {
    directory = mkdtempSync(join(tmpdir(), "lm-doctor-"));
  }
  try {
    const source = join(directory, "source");
    writeFileSync(source, Buffer.alloc(4_096, 1));
    copyFileSync(source, join(directory, "clone"), constants.COPYFILE_FICLONE_FORCE);
    return [ok("storage.reflink", "Reflinks", `work at ${dirname(directory)}`)];
  } catch {
    return [
      info(
        "storage.reflink",
        "Reflinks",
        `not at ${dirname(directory)}; qcow2 overlays are used (btrfs and xfs have reflinks)`,
      ),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function overlay(): readonly Finding[] {
  return /\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))
    ? [ok("storage.overlay", "overlayfs", "in the kernel")]
    : [info("storage.overlay", "overlayfs", "not in the kernel; images are unpacked by copying")];
}

async function devmapper({ signal }: CheckContext): Promise<readonly Finding[]> {
  const answer = which("dmsetup") === undefined ? undefined : await output("dmsetup", ["targets"], signal);
  if (answer?.code === 0 && /^thin-pool\b/m.test(answer.text))
    return [ok("storage.devmapper", "device-mapper", "with thin pools")];
  return [info("storage.devmapper", "device-mapper", "no thin pools; qcow2 overlays are used")];
}

async function snapshotters({ signal }: CheckContext): Promise<readonly Finding[]> {
  if (!existsSync("/run/containerd/containerd.sock")) {
    return [info("storage.snapshotters", "Snapshotters", "no containerd of the system runs; 'lm up' brings its own")];
  }
  const answer =
    which("ctr") === undefined ? undefined : await output("ctr", ["--timeout", "3s", "plugins", "ls"], signal);
  const usable = (answer?.text ?? "").split("\n").flatMap((line) => {
    const [kind, name, , state] = line.trim().split(/\s+/);
    return kind === "io.containerd.snapshotter.v1" && state === "ok" && name !== undefined ? [name] : [];
  });
  return [
    usable.length > 0
      ? ok("storage.snapshotters", "Snapshotters", `of the system's containerd: ${usable.join(", ")}`)
      : info("storage.snapshotters", "Snapshotters", "the system's containerd does not answer"),
  ];
}
