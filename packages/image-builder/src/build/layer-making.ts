/**
 * Making a layer: the step in a work directory of its own, its tree packed beside it, the entry published whole.
 *
 * Two images of one session that want the same layer wait for one making of it.
 */
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { syncTree } from "../cache/durable.ts";
import { blobName, type LayerRecord, layerEntry } from "../cache/records.ts";
import { removeTree } from "../cache/removal.ts";
import { writeLayer } from "../oci/layer.ts";
import type { StepReport } from "../steps/step-kind.ts";
import type { FileTree } from "../tree/file-tree.ts";
import type { BuildSession } from "./build-session.ts";
import { keyOf } from "./canonical.ts";
import type { PlannedLayer, PlannedStep } from "./planned-image.ts";
import { treeOfLayers } from "./tree-below.ts";

/** Progress of packing is told so often at most. */
const tellEveryMs = 200;

/**
 * The record of a layer, from the cache or made now. `below`: all layers under it, from the bottom up. It says names and inputs of this recipe: another
 * recipe may have made the same layer first, and what comes out must not depend on that.
 */
export async function ensureLayer(
  session: BuildSession,
  image: string,
  layer: PlannedLayer,
  below: readonly LayerRecord[],
): Promise<LayerRecord> {
  const { recipe, name, inputs } = layer;
  return { ...(await storedLayer(session, image, layer, below)), recipe, name, inputs };
}

async function storedLayer(
  session: BuildSession,
  image: string,
  layer: PlannedLayer,
  below: readonly LayerRecord[],
): Promise<LayerRecord> {
  const { cached, step, name, key } = layer;
  if (cached !== undefined) {
    if (await session.layers.verify(key, cached, session.signal)) {
      session.emit({ image, layer: name, stage: "build", cached: true, text: "cached", sizeBytes: cached.sizeBytes });
      return cached;
    }
    session.emit({ image, layer: name, stage: "build", text: "the cached layer was damaged: making it again" });
    if (step === undefined) {
      throw new PlatformError("IMAGE_CORRUPT", `the cached copy of the layer ${name} was damaged, and was removed`, {
        remedy: "build again: it is read from where it came from",
      });
    }
  }
  if (step === undefined) throw new PlatformError("INTERNAL", `the layer ${name} is neither cached nor can it be made`);
  const known = session.making.get(key) ?? explained(session, image, layer, step, below);
  session.making.set(key, known);
  return await known;
}

async function explained(
  session: BuildSession,
  image: string,
  layer: PlannedLayer,
  step: PlannedStep,
  below: readonly LayerRecord[],
): Promise<LayerRecord> {
  try {
    return await make(session, image, layer, step, below);
  } catch (error) {
    session.signal.throwIfAborted();
    throw step.explain(error);
  }
}

async function make(
  session: BuildSession,
  image: string,
  layer: PlannedLayer,
  step: PlannedStep,
  below: readonly LayerRecord[],
): Promise<LayerRecord> {
  const { kind, fields, resolution } = step;
  const emit = session.emit.bind(session);
  const report: StepReport = (text, progress) => emit({ image, layer: layer.name, stage: "build", text, ...progress });
  report("building");
  const workDirectory = await session.lease.newDirectory();
  const staged = await session.lease.newDirectory();
  try {
    const treeBelow = (): Promise<FileTree> => treeOfLayers(session, below);
    const made = await kind.make(fields, resolution, { ...step.context, report, workDirectory, below: treeBelow });
    session.signal.throwIfAborted();
    const packed = await writeLayer(made.tree, join(staged, blobName), {
      epochSeconds: step.context.dateSeconds,
      compression: step.compression,
      onEntry: counter(made.tree.size, (done, total) =>
        emit({ image, layer: layer.name, stage: "pack", text: "packing", done, total }),
      ),
      signal: session.signal,
      // What lies below is only in the key, and only may be in the bytes, of layers that are made from it. The others say nothing of directories that
      // they only put something into: unpackers leave those as they are below.
      ...(resolution.dependsOnBelow && !step.lowest ? { below: await treeBelow() } : { withoutImplied: !step.lowest }),
    });
    await checkUnchanged(step, layer.name);
    const { mediaType, digest, diffId, sizeBytes } = packed;
    const { key, recipe, name, inputs } = layer;
    const { software, facts = {} } = made;
    const record: LayerRecord = {
      ...{ key, recipe, name, kind: kind.name, mediaType, digest, diffId, sizeBytes, software, inputs, facts },
      ...shapeOf(made.tree),
    };
    await writeFile(join(staged, layerEntry.recordName), JSON.stringify(record));
    await chmod(join(staged, blobName), 0o444);
    await syncTree(staged);
    const published = await session.layers.publish(staged, key, { replace: session.rebuild });
    emit({ image, layer: name, stage: "pack", text: "packed", sizeBytes });
    return published;
  } finally {
    await removeTree(workDirectory);
    await removeTree(staged);
  }
}

function shapeOf(tree: FileTree): Pick<LayerRecord, "links" | "implied"> {
  const entries = [...tree.entries()];
  return {
    links: entries.filter(([, { kind }]) => kind === "symlink").map(([path]) => path),
    implied: entries.filter(([path]) => tree.implied(path)).map(([path]) => path),
  };
}

/** Somebody may have saved a file of the recipe meanwhile: the layer would not be what its key says. */
async function checkUnchanged({ kind, fields, resolution, context }: PlannedStep, name: string): Promise<void> {
  if (!resolution.inputs.some((input) => input.kind === "file")) return;
  const now = await kind.resolve(fields, context);
  if (keyOf(now.inputs) === keyOf(resolution.inputs)) return;
  throw new PlatformError("IMAGE_BUILD_FAILED", `files of the layer ${name} changed while it was built`, {
    remedy: "build again",
  });
}

function counter(total: number, tell: (done: number, total: number) => void): () => void {
  let done = 0;
  let told = Number.NEGATIVE_INFINITY;
  return () => {
    done += 1;
    const now = performance.now();
    if (now - told < tellEveryMs && done !== total) return;
    told = now;
    tell(done, total);
  };
}
