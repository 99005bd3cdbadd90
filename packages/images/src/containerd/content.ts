/**
 * containerd's content store: blobs by digest.
 *
 * Writing goes through an ingest with a name (`ref`); a broken ingest stays and can be resumed by the same ref. containerd hashes what arrives and
 * refuses to commit anything whose digest is not the expected one, so nothing enters the store unverified.
 */

import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Content,
  WriteAction,
  type WriteContentRequestSchema,
  type WriteContentResponse,
} from "@liquidmetal/api/containerd/services/content/v1/content_pb.js";
import { PlatformError } from "@liquidmetal/foundation";
import type { ContainerdCallOptions, ContainerdConnection, DuplexCall } from "./connection.ts";
import { isAlreadyExists, isFailedPrecondition, isIngestLocked, isNotFound } from "./failure.ts";

export interface BlobInfo {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface BlobWrite {
  /** Name of the ingest. */
  readonly ref: string;
  /** Absent = whatever arrives. */
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Opens the source from this offset; called once. */
  readonly open: (offset: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
  readonly onProgress?: (writtenBytes: number) => void;
}

const chunkBytes = 1024 * 1024;

/** What an ingest without a known digest found out before it was committed. */
interface Seen {
  whole?: { readonly digest: string; readonly sizeBytes: number };
}

export class ContentStore {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** Undefined = not there. */
  async info(digest: string, options?: ContainerdCallOptions): Promise<BlobInfo | undefined> {
    try {
      const { info } = await this.#connection.unary(Content.method.info, { digest }, options);
      return { digest, sizeBytes: Number(info?.size ?? 0n), labels: info?.labels ?? {} };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The whole blob. IMAGE_CORRUPT when it is missing or larger than `maxBytes`. */
  async read(digest: string, maxBytes: number, options?: ContainerdCallOptions): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let total = 0;
    try {
      for await (const { data } of this.#connection.stream(
        Content.method.read,
        { digest, offset: 0n, size: 0n },
        options,
      )) {
        total += data.length;
        if (total > maxBytes) throw new PlatformError("IMAGE_CORRUPT", `${digest} is larger than ${maxBytes} bytes`);
        parts.push(data);
      }
    } catch (error) {
      if (isNotFound(error)) throw new PlatformError("IMAGE_CORRUPT", `content ${digest} is missing`, { cause: error });
      throw error;
    }
    return Buffer.concat(parts, total);
  }

  /** Sets labels; others stay. */
  async label(
    digest: string,
    labels: Readonly<Record<string, string>>,
    options?: ContainerdCallOptions,
  ): Promise<void> {
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    await this.#connection.unary(
      Content.method.update,
      { info: { digest, labels: { ...labels } }, updateMask: { paths } },
      options,
    );
  }

  /**
   * Writes one blob and returns its digest and size. A blob that is there already is not opened, only labelled.
   * IMAGE_CORRUPT when what arrived is not the expected digest or size: the ingest is thrown away then.
   */
  async write(blob: BlobWrite, options: ContainerdCallOptions = {}): Promise<{ digest: string; sizeBytes: number }> {
    const seen: Seen = {};
    try {
      return await this.#connection.duplex(Content.method.write, options, (call) =>
        this.#ingest(call, blob, seen, options),
      );
    } catch (error) {
      if (isAlreadyExists(error) && seen.whole !== undefined) {
        if (blob.labels !== undefined) await this.label(seen.whole.digest, blob.labels, options);
        return seen.whole;
      }
      if (isAlreadyExists(error) && blob.digest !== undefined) {
        if (blob.labels !== undefined) await this.label(blob.digest, blob.labels, options);
        return {
          digest: blob.digest,
          sizeBytes: blob.sizeBytes ?? (await this.info(blob.digest, options))?.sizeBytes ?? 0,
        };
      }
      if (isFailedPrecondition(error)) {
        await this.abort(blob.ref);
        throw new PlatformError("IMAGE_CORRUPT", `${blob.digest}: what arrived is something else`, { cause: error });
      }
      if (error instanceof PlatformError && error.code === "IMAGE_CORRUPT") await this.abort(blob.ref);
      throw error;
    }
  }

  async #ingest(
    call: DuplexCall<MessageInitShape<typeof WriteContentRequestSchema>, WriteContentResponse>,
    blob: BlobWrite,
    seen: Seen,
    options: ContainerdCallOptions,
  ): Promise<{ digest: string; sizeBytes: number }> {
    const total = BigInt(blob.sizeBytes ?? 0);
    const expected = blob.digest ?? "";
    const status = await call.exchange({ action: WriteAction.STAT, ref: blob.ref, total, expected });
    let offset = Number(status.offset);
    // Content whose digest only its end tells may turn out to be here already: then we must know the digest ourselves.
    const hash = blob.digest === undefined && offset === 0 ? createHash("sha256") : undefined;
    if (blob.sizeBytes === undefined || offset < blob.sizeBytes) {
      for await (const chunk of chunked(await blob.open(offset))) {
        options.signal?.throwIfAborted();
        if (blob.sizeBytes !== undefined && offset + chunk.length > blob.sizeBytes) {
          throw new PlatformError(
            "IMAGE_CORRUPT",
            `${expected}: more than the promised ${blob.sizeBytes} bytes arrived`,
          );
        }
        await call.exchange({ action: WriteAction.WRITE, ref: blob.ref, offset: BigInt(offset), data: chunk });
        hash?.update(chunk);
        offset += chunk.length;
        blob.onProgress?.(offset);
      }
    }
    if (blob.sizeBytes !== undefined && offset < blob.sizeBytes) {
      throw new PlatformError("IMAGE_PULL_FAILED", `${expected}: ended after ${offset} of ${blob.sizeBytes} bytes`);
    }
    if (hash !== undefined) seen.whole = { digest: `sha256:${hash.digest("hex")}`, sizeBytes: offset };
    const committed = await call.exchange({
      action: WriteAction.COMMIT,
      ref: blob.ref,
      offset: BigInt(offset),
      total: BigInt(offset),
      expected,
      labels: { ...blob.labels },
    });
    return { digest: committed.digest, sizeBytes: offset };
  }

  /** Throws an ingest away. Succeeds when there is none; gives up silently when someone else writes it. */
  async abort(ref: string): Promise<void> {
    try {
      await this.#connection.unary(Content.method.abort, { ref });
    } catch (error) {
      if (!isNotFound(error) && !isIngestLocked(error)) throw error;
    }
  }

  /** Names of ingests that are begun and not committed. */
  async ingests(options?: ContainerdCallOptions): Promise<readonly string[]> {
    const { statuses } = await this.#connection.unary(Content.method.listStatuses, { filters: [] }, options);
    return statuses.map((status) => status.ref);
  }

  /** Every blob, or those that match containerd's filters. */
  async list(filters: readonly string[] = [], options?: ContainerdCallOptions): Promise<readonly BlobInfo[]> {
    const blobs: BlobInfo[] = [];
    for await (const { info } of this.#connection.stream(Content.method.list, { filters: [...filters] }, options)) {
      for (const one of info) blobs.push({ digest: one.digest, sizeBytes: Number(one.size), labels: one.labels });
    }
    return blobs;
  }
}

/** Cuts and joins to chunks of at most 1 MiB, so that neither tiny nor huge messages go out. What came before a source broke still goes out. */
async function* chunked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let broken: { readonly error: unknown } | undefined;
  const pieces = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await pieces.next().catch((error: unknown) => {
        broken = { error };
      });
      if (next === undefined || next.done === true) break;
      for (let at = 0; at < next.value.length; at += chunkBytes) {
        const part = next.value.subarray(at, at + chunkBytes);
        pending.push(part);
        pendingBytes += part.length;
        if (pendingBytes < chunkBytes / 2) continue;
        yield Buffer.concat(pending, pendingBytes);
        pending = [];
        pendingBytes = 0;
      }
    }
    if (pendingBytes > 0) yield Buffer.concat(pending, pendingBytes);
    if (broken !== undefined) throw broken.error;
  } finally {
    await pieces.return?.();
  }
}
