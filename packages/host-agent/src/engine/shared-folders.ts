/**
 * Port: directories of the host shown to a guest by virtiofs, each served by a virtiofsd of its own, confined to configured roots.
 *
 * Like a VMM, the server outlives the agent: its process identity stands in the volume's record and its token begins as all of ours do.
 */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import type { MadeVolume } from "@liquidmetal/microvm";

export interface SharedFolderRequest {
  readonly owner: string;
  readonly volumeId: string;
  /** Directory of the host, as the spec names it; SPEC_INVALID when it is outside of every configured root. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly runDirectory: string;
  readonly token: string;
  readonly identity?: { readonly uid: number; readonly gid: number };
}

export interface SharedFolders {
  /** Refuses a path outside of the roots, before anything is accepted. */
  check(path: string): Result<void, PlatformError>;
  /** Starts the server, or returns the one that runs. */
  create(
    request: SharedFolderRequest,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Result<MadeVolume, PlatformError>>;
  exists(volume: MadeVolume): Promise<boolean>;
  release(volume: MadeVolume, options?: { readonly signal?: AbortSignal }): Promise<Result<void, PlatformError>>;
}
