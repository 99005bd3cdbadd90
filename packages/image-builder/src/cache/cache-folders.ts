/**
 * The folders of the cache, all below one directory:
 *
 * `layers/<key>/` and `images/<key>/`: entries, each whole or not there. `work/<owner>.<random>/`: a build that runs. `pins/` and `evicting/`: who uses
 * what, and what is being evicted (see lease.ts). Every other folder belongs to a kind of step: downloads, resolutions, compiled programs.
 */
import { homedir } from "node:os";
import { join } from "node:path";

export type Category = "layers" | "images";

export interface CacheFolders {
  readonly root: string;
  readonly layers: string;
  readonly images: string;
  readonly work: string;
  readonly pins: string;
  readonly evicting: string;
}

/** Names that no kind of step may take for its own folder. */
export const ownFolders: readonly string[] = ["layers", "images", "work", "pins", "evicting"];

/** Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
export function cacheFolders(root: string = defaultCacheDirectory()): CacheFolders {
  return {
    root,
    layers: join(root, "layers"),
    images: join(root, "images"),
    work: join(root, "work"),
    pins: join(root, "pins"),
    evicting: join(root, "evicting"),
  };
}

/** `$XDG_CACHE_HOME/liquidmetal/images`, or below `~/.cache`. */
export function defaultCacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const configured = environment["XDG_CACHE_HOME"];
  // The XDG specification says to ignore relative paths.
  const base = configured?.startsWith("/") ? configured : join(homedir(), ".cache");
  return join(base, "liquidmetal/images");
}
