/**
 * Running a program on an image's file tree.
 *
 * A tree that is one directory is read in place. An overlay is mounted first, in a private mount namespace that ends with the program: nothing can stay mounted.
 */
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { ImageTree, RunResult, Spawner } from "@liquidmetal/microvm";

export interface TreeCommand {
  readonly tree: ImageTree;
  /** An empty directory to mount on; exists. */
  readonly mountPoint: string;
  readonly program: string;
  /** Makes the arguments, given the directory in which the tree shows. */
  readonly args: (directory: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Mounts what `type options source` triples say on $1, then becomes the program after `--`. Fixed text; everything variable is an argument. */
const script = `target=$1; base=$2; shift 2
cd "$base"
while [ "$1" != -- ]; do mount -t "$1" -o "$2" "$3" "$target"; shift 3; done
shift
exec "$@"`;

/** Where a tree can be read without mounting anything. */
export function directoryOf(tree: ImageTree): string | undefined {
  const [mount] = tree.mounts;
  return tree.mounts.length === 1 && mount?.type === "bind" ? mount.source : undefined;
}

/** Runs the program; its exit code is the caller's to judge. Throws SPAWNER_UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED. */
export async function runOnTree(spawner: Spawner, command: TreeCommand): Promise<RunResult> {
  const { tree, mountPoint, program, args, env, timeoutMs = 600_000, signal } = command;
  const common = { timeoutMs, ...(env === undefined ? {} : { env }), ...(signal === undefined ? {} : { signal }) };
  const directory = directoryOf(tree);
  if (directory !== undefined) return unwrap(await spawner.run({ ...common, program, args: args(directory) }));
  if (tree.mounts.length === 0) throw new PlatformError("INTERNAL", "containerd handed out a file tree without mounts");
  const plan = mountArguments(tree);
  const words = ["-ceu", script, "sh", mountPoint, plan.base, ...plan.words, "--", program, ...args(mountPoint)];
  return unwrap(await spawner.run({ ...common, privateMounts: true, program: "sh", args: words }));
}

/**
 * mount(2) takes one page of options: long lists of lower directories are given relative to the directory that they share (as containerd itself does).
 */
export function mountArguments(tree: ImageTree): { readonly base: string; readonly words: readonly string[] } {
  let base = "/";
  const words = tree.mounts.flatMap(({ type, source, options }) => {
    if (type === "bind")
      return ["none", ["bind", ...options.filter((one) => one !== "rbind" && one !== "bind")].join(","), source];
    const lower = options
      .find((one) => one.startsWith("lowerdir="))
      ?.slice("lowerdir=".length)
      .split(":");
    const shared = lower === undefined ? undefined : sharedDirectory(lower);
    if (type !== "overlay" || lower === undefined || shared === undefined)
      return [type, options.join(",") || "defaults", source];
    base = shared;
    const short = lower.map((directory) => directory.slice(shared.length + 1)).join(":");
    return [type, options.map((one) => (one.startsWith("lowerdir=") ? `lowerdir=${short}` : one)).join(","), source];
  });
  return { base, words };
}

function sharedDirectory(directories: readonly string[]): string | undefined {
  let shared = directories[0]?.split("/").slice(0, -1) ?? [];
  for (const directory of directories) {
    const parts = directory.split("/");
    let length = 0;
    while (length < shared.length && length < parts.length - 1 && shared[length] === parts[length]) length++;
    shared = shared.slice(0, length);
  }
  return shared.length > 1 ? shared.join("/") : undefined;
}
