/**
 * The configuration of a private containerd: only what an image store needs, nothing that runs containers, few goroutines, no network listeners.
 *
 * `version = 2` for containerd 1.x and `version = 3` for 2.x, whose plugin names differ.
 */
export interface ContainerdConfigOptions {
  /** Major version of the daemon. */
  readonly major: 1 | 2;
  /** Persistent data; absolute. */
  readonly root: string;
  /** Run-time data; absolute, short. */
  readonly state: string;
  /** Socket path; at most 107 bytes. Default `<state>/containerd.sock`. */
  readonly address?: string;
  /** Turns the `blockfile` snapshotter on (2.x): an ext4-formatted sparse file that new volumes are copied from. */
  readonly blockfileScratch?: string;
  /** Options for mounting blockfile volumes. */
  readonly blockfileMountOptions?: readonly string[];
}

const unneeded1 = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.grpc.v1.containers",
  "io.containerd.grpc.v1.tasks",
  "io.containerd.runtime.v1.linux",
  "io.containerd.runtime.v2.task",
  "io.containerd.service.v1.tasks-service",
  "io.containerd.service.v1.containers-service",
  "io.containerd.internal.v1.restart",
  "io.containerd.internal.v1.opt",
  "io.containerd.monitor.v1.cgroups",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper",
];

const unneeded2 = [
  ...unneeded1.filter((name) => !name.includes("runtime.v1") && !name.includes("aufs")),
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.podsandbox.controller.v1.podsandbox",
  "io.containerd.sandbox.controller.v1.shim",
  "io.containerd.sandbox.store.v1.local",
  "io.containerd.grpc.v1.sandboxes",
  "io.containerd.grpc.v1.sandbox-controllers",
  "io.containerd.nri.v1.nri",
  "io.containerd.shim.v1.manager",
  "io.containerd.ttrpc.v1.otelttrpc",
  "io.containerd.monitor.container.v1.restart",
  "io.containerd.monitor.task.v1.cgroups",
];

export function containerdSocket(options: Pick<ContainerdConfigOptions, "state" | "address">): string {
  return options.address ?? `${options.state}/containerd.sock`;
}

/** Renders the TOML text. */
export function renderContainerdConfig(options: ContainerdConfigOptions): string {
  const text = JSON.stringify;
  const lines = [
    `version = ${options.major === 1 ? 2 : 3}`,
    `root = ${text(options.root)}`,
    `state = ${text(options.state)}`,
    "oom_score = 0",
    `disabled_plugins = [${(options.major === 1 ? unneeded1 : unneeded2).map((name) => text(name)).join(", ")}]`,
    "",
    "[grpc]",
    `  address = ${text(containerdSocket(options))}`,
    "",
    "[ttrpc]",
    `  address = ${text(`${options.state}/ttrpc.sock`)}`,
    "",
    '[plugins."io.containerd.gc.v1.scheduler"]',
    // A released hold frees its space within a second or so, without a round for each of many.
    "  deletion_threshold = 1",
    '  schedule_delay = "500ms"',
    '  startup_delay = "1s"',
  ];
  if (options.blockfileScratch !== undefined && options.major === 2) {
    lines.push(
      "",
      '[plugins."io.containerd.snapshotter.v1.blockfile"]',
      `  scratch_file = ${text(options.blockfileScratch)}`,
      '  fs_type = "ext4"',
      `  mount_options = [${(options.blockfileMountOptions ?? []).map((option) => text(option)).join(", ")}]`,
    );
  }
  return `${lines.join("\n")}\n`;
}
