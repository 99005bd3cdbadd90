/** `files`: texts, files and folders of the recipe, links, directories, device nodes; and what is to be gone. */
import { sourcePath } from "../../recipe-language/source-path.ts";
import { FileTree, type Ownership } from "../../tree/file-tree.ts";
import type { Input } from "../input.ts";
import type { StepContext, StepKind } from "../step-kind.ts";
import { type FileEntry, fileEntries } from "./fields.ts";
import { addSource, sourceDigest, sourceEntries } from "./sources.ts";

export const files: StepKind<readonly FileEntry[]> = {
  name: "files",
  summary:
    "Texts, files and folders of the recipe, links, directories and device nodes; and paths that are to be gone.",
  revision: 2,
  fields: fileEntries,

  async resolve(fields, context) {
    const sources = [...new Set(fields.flatMap(({ source }) => source ?? []))].sort();
    const inputs: Input[] = [];
    for (const source of sources) {
      const entries = await entriesOf(source, context);
      inputs.push({ kind: "file", name: source, digest: await sourceDigest(entries, context.signal) });
    }
    return { inputs, dependsOnBelow: false };
  },

  async make(fields, _resolution, context) {
    const tree = new FileTree();
    for (const entry of fields) await put(tree, entry, context);
    return { tree, software: [] };
  },
};

async function put(tree: FileTree, entry: FileEntry, context: StepContext): Promise<void> {
  const { path } = entry;
  const own: Ownership = {
    ...(entry.mode !== undefined && { mode: Number.parseInt(entry.mode, 8) }),
    ...(entry.user !== undefined && { uid: entry.user }),
    ...(entry.group !== undefined && { gid: entry.group }),
  };
  if (entry.text !== undefined) tree.file(path, entry.text, own);
  else if (entry.symlink !== undefined) tree.symlink(path, entry.symlink, own);
  else if (entry.source !== undefined) addSource(tree, path, await entriesOf(entry.source, context), own);
  else if (entry.remove === true) tree.whiteout(path);
  else if (entry.device !== undefined) {
    const { type, major, minor } = entry.device;
    if (type === "block") tree.blockDevice(path, major, minor, own);
    else tree.characterDevice(path, major, minor, own);
  } else tree.directory(path, own);
}

async function entriesOf(source: string, context: StepContext): ReturnType<typeof sourceEntries> {
  return sourceEntries(await sourcePath(source, context), context.signal);
}
