/** What a build tells its caller while it works: stages by name, with a count where there is one. */

export type BuildStage =
  | "resolve-packages"
  | "download-packages"
  | "unpack-packages"
  | "assemble"
  | "pack-layer"
  | "write-archive"
  | "done";

export interface BuildProgress {
  /** The recipe's name, as in `kernel/distro`. */
  readonly image: string;
  readonly stage: BuildStage;
  /** Units of this stage that are done, of `total` (packages, or entries of the tree). Both 0 where nothing is counted. */
  readonly done: number;
  readonly total: number;
  /** All of it as one line for people. */
  readonly text: string;
}

export type OnProgress = (progress: BuildProgress) => void;

const words: Readonly<Record<BuildStage, string>> = {
  "resolve-packages": "asking apt for the packages",
  "download-packages": "downloading packages",
  "unpack-packages": "unpacking packages",
  assemble: "assembling the file tree",
  "pack-layer": "packing the layer",
  "write-archive": "writing the image",
  done: "done",
};

/** Says where the build of `image` stands; without a listener it does nothing. */
export function reporter(image: string, onProgress: OnProgress | undefined): Reporter {
  return (stage, done = 0, total = 0) => {
    const count = total > 0 ? ` ${done}/${total}` : "";
    onProgress?.({ image, stage, done, total, text: `${image}: ${words[stage]}${count}` });
  };
}

export type Reporter = (stage: BuildStage, done?: number, total?: number) => void;
