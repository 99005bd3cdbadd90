/** `lm image cache`: what the builder keeps, and making room. */
import { type Presentation, printList } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { age } from "../program/duration.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { parseMiB, readableBytes } from "../program/size.ts";
import type { CachedEntry, ImageBuilder, PruneOptions } from "./builder-port.ts";

export async function manageCache(
  invocation: Invocation,
  session: Session,
  builder: Pick<ImageBuilder, "cached" | "prune">,
): Promise<number | undefined> {
  const [action = ""] = invocation.positionals;
  if (action !== "ls" && action !== "prune") throw usage(`there is no 'lm image cache ${action}'`, "write ls or prune");
  return action === "ls" ? list(invocation, session, builder) : prune(invocation, session, builder);
}

async function list(
  { flags }: Invocation,
  session: Session,
  builder: Pick<ImageBuilder, "cached">,
): Promise<undefined> {
  const misplaced = ["max-size", "older-than", "all", "dry-run"].find((name) => flags.given(name));
  if (misplaced !== undefined) throw usage(`--${misplaced} goes with 'lm image cache prune'`);
  const { entries, totalBytes } = await builder.cached(flags.text("cache-dir"));
  // Downloads are many and small: a table shows them only when it may be long.
  const shown = session.format === "table" ? entries.filter(({ kind }) => kind !== "download") : entries;
  await printList(session, shown, presentation(session));
  session.note(`${counted(entries)}; ${readableBytes(totalBytes)} on disk`);
}

async function prune(
  { flags }: Invocation,
  session: Session,
  builder: Pick<ImageBuilder, "prune">,
): Promise<undefined> {
  const options = pruneOptions(flags, session.signal);
  const { removed, freedBytes, keptBytes } = await builder.prune(options);
  await printList(session, removed, presentation(session));
  const [done, freed, left] = options.dryRun
    ? ["Would remove", "would be freed", "would stay"]
    : ["Removed", "freed", "stay"];
  session.note(
    `${done} ${counted(removed)}; ${readableBytes(freedBytes)} ${freed}, ${readableBytes(keptBytes)} ${left}`,
  );
}

function pruneOptions(flags: Invocation["flags"], signal: AbortSignal): PruneOptions {
  const size = flags.text("max-size");
  const maxSizeMiB = size === undefined ? undefined : parseMiB(size);
  if (size !== undefined && maxSizeMiB === undefined) {
    throw usage(`--max-size: '${size}' is not a size`, "write 512M, 10G, or a number of MiB");
  }
  const olderThanMs = flags.durationMs("older-than");
  const all = flags.on("all");
  if (all && (maxSizeMiB !== undefined || olderThanMs !== undefined)) {
    throw usage("--all removes everything: --max-size and --older-than have no meaning beside it");
  }
  if (!all && maxSizeMiB === undefined && olderThanMs === undefined) {
    throw usage("what shall be removed?", "say --max-size 10G, --older-than 7d or --all");
  }
  const cacheDirectory = flags.text("cache-dir");
  return {
    all,
    dryRun: flags.on("dry-run"),
    signal,
    ...(maxSizeMiB === undefined ? {} : { maxBytes: maxSizeMiB * 1024 ** 2 }),
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
  };
}

const presentation = (session: Session): Presentation<CachedEntry> => ({
  columns: [
    { header: "KIND", value: (entry) => entry.kind },
    { header: "NAME", value: (entry) => entry.name, elastic: true },
    { header: "SIZE", value: (entry) => readableBytes(entry.sizeBytes) },
    { header: "USED", value: (entry) => age(session.clock.nowMs() - entry.usedAtMs) },
    { header: "IN USE", value: (entry) => (entry.inUse ? "yes" : "-") },
    { header: "KEY", value: (entry) => (session.format === "wide" ? entry.key : entry.key.slice(0, 12)) },
  ],
  json: (entry) => ({
    kind: entry.kind,
    name: entry.name,
    key: entry.key,
    sizeBytes: entry.sizeBytes,
    usedAt: new Date(entry.usedAtMs).toISOString(),
    inUse: entry.inUse,
  }),
  name: (entry) => entry.key,
});

function counted(entries: readonly CachedEntry[]): string {
  const kinds = ["image", "layer", "download"] as const;
  const counts = kinds.flatMap((kind) => {
    const number = entries.filter((entry) => entry.kind === kind).length;
    return number === 0 ? [] : [`${number} ${kind}${number === 1 ? "" : "s"}`];
  });
  return counts.length === 0 ? "nothing" : counts.join(", ");
}
