/** Objects of a kustomization, by the kustomize program. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "./manifest.ts";

const run = promisify(execFile);
const timeoutMs = 120_000;
const maxOutputBytes = 64 * 1024 * 1024;

/** CONFIG_INVALID with what kustomize says when the folder is no kustomization. It is given no network and runs no plugins. */
export async function kustomizeBuild(
  kustomize: string,
  directory: string,
  signal?: AbortSignal,
): Promise<readonly Manifest[]> {
  try {
    const options = { timeout: timeoutMs, maxBuffer: maxOutputBytes, ...(signal && { signal }) };
    const { stdout } = await run(kustomize, ["build", directory], options);
    return parseManifests(stdout);
  } catch (error) {
    signal?.throwIfAborted();
    throw PlatformError.from(error, "CONFIG_INVALID", `kustomize build ${directory}`);
  }
}

/** YAML or JSON, any number of documents; empty ones are left out. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new PlatformError("CONFIG_INVALID", `a manifest is no YAML: ${problem.message}`);
    const object: unknown = document.toJS();
    return object === null || object === undefined ? [] : [object as Manifest];
  });
}
