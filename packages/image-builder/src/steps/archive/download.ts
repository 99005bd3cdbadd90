/**
 * Brings the file of an `archive` step into the cache, where it lies under its digest. Nothing is used before it was compared with that.
 *
 * Errors: IMAGE_INPUT_MISMATCH when it is something else, IMAGE_BUILD_FAILED when it cannot be fetched or is larger than a recipe may take.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rename, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { PlatformError } from "@liquidmetal/foundation";
import { sourcePath } from "../../recipe-language/source-path.ts";
import type { MakeContext, StepContext } from "../step-kind.ts";

export interface Download {
  readonly url: string;
  /** `sha256:<hex>` */
  readonly digest: string;
}

/** Prebuilt Kubernetes is half a gigabyte: more than this is a mistake. */
const sizeMaxBytes = 8 * 1024 ** 3;
const connectTimeoutMs = 60_000;
const totalTimeoutMs = 60 * 60_000;

/** Path of the file in the cache. It is compared with its digest also when it was there. */
export async function downloaded(wanted: Download, context: MakeContext): Promise<string> {
  const directory = join(context.cacheDirectory, "archive");
  const file = join(directory, wanted.digest.replace(":", "-"));
  if (await isIntact(file, wanted.digest, context.signal)) return file;
  const partial = join(await mkdtemp(join(context.workDirectory, "fetch-")), "file");
  const actual = await fetchTo(partial, wanted, context);
  if (actual !== wanted.digest) {
    throw new PlatformError("IMAGE_INPUT_MISMATCH", `${wanted.url} is ${actual}, the recipe wants ${wanted.digest}`, {
      remedy: "find out which of the two is right; if the publisher changed the file, change the digest in the recipe",
    });
  }
  await mkdir(directory, { recursive: true });
  await rename(partial, file);
  return file;
}

async function isIntact(file: string, digest: string, signal: AbortSignal): Promise<boolean> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file), hash, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw PlatformError.from(error, "IMAGE_BUILD_FAILED", `the cached file ${file} cannot be read`);
  }
  if (`sha256:${hash.digest("hex")}` !== digest) return false;
  // The age says when it was last of use: pruning goes by it.
  const now = new Date();
  await utimes(file, now, now);
  return true;
}

/** Returns the digest of what came. */
async function fetchTo(target: string, { url }: Download, context: StepContext): Promise<string> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(totalTimeoutMs)]);
  const hash = createHash("sha256");
  let done = 0;
  try {
    const { body, sizeBytes } = await open(url, context, signal);
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, next): void {
        hash.update(chunk);
        done += chunk.length;
        context.report(`fetching ${url}`, { done, total: Math.max(done, sizeBytes ?? done) });
        next(done > sizeMaxBytes ? tooLarge(url) : null, chunk);
      },
    });
    await pipeline(body, counter, createWriteStream(target, { mode: 0o600 }), { signal });
  } catch (error) {
    context.signal.throwIfAborted();
    throw PlatformError.from(error, "IMAGE_BUILD_FAILED", `${url} cannot be fetched`);
  }
  return `sha256:${hash.digest("hex")}`;
}

interface Opened {
  readonly body: Readable;
  readonly sizeBytes?: number;
}

async function open(url: string, context: StepContext, signal: AbortSignal): Promise<Opened> {
  if (/^https?:/.test(url)) return await openRemote(url, signal);
  const path = url.startsWith("file:") ? fileURLToPath(url) : await sourcePath(url, context);
  const stats = await stat(path);
  if (!stats.isFile()) throw new PlatformError("RECIPE_INVALID", `${url} is no file`);
  return { body: createReadStream(path), sizeBytes: stats.size };
}

async function openRemote(url: string, signal: AbortSignal): Promise<Opened> {
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(new Error("no answer")), connectTimeoutMs);
  try {
    const answer = await fetch(url, { signal: AbortSignal.any([signal, connecting.signal]) });
    if (!answer.ok || answer.body === null) throw new Error(`the server says ${answer.status} ${answer.statusText}`);
    const length = Number(answer.headers.get("content-length"));
    if (length > sizeMaxBytes) throw tooLarge(url);
    const encoded = answer.headers.has("content-encoding");
    return { body: Readable.fromWeb(answer.body), ...(length > 0 && !encoded && { sizeBytes: length }) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PlatformError) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new PlatformError("IMAGE_BUILD_FAILED", `${url} cannot be fetched: ${textOf(cause)}`, {
      remedy: "check the network and the address; a file that is in the cache already needs neither",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const tooLarge = (url: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${url} is larger than ${sizeMaxBytes} bytes`);
