/** What `up` and `down` tell of their progress, and what they need of the guests; the command line gives both. */

export interface ProgressStage {
  update(detail: string): void;
  done(note?: string): void;
  skip(note: string): void;
}

export interface Progress {
  run<T>(
    title: string,
    work: (stage: ProgressStage) => Promise<T>,
    note?: (value: T) => string | undefined,
  ): Promise<T>;
}

/** The guests of a platform, through its API. */
export interface GuestControl {
  /** Powers off every guest that runs; resolves with the uids of those. */
  stopAll(stage: ProgressStage, beforeStop: (uids: readonly string[]) => Promise<void>): Promise<readonly string[]>;
  /** Starts these again; those that are gone are passed over. Resolves with how many. */
  startAll(uids: readonly string[], stage: ProgressStage): Promise<number>;
  /** Deletes every microVM; resolves with how many when they are gone. */
  deleteAll(stage: ProgressStage): Promise<number>;
}
