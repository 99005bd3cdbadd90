/**
 * A server's certificate and key from files, read again when they change.
 *
 * Kubernetes swaps a symlink beside the files (`..data`), cert-manager's other consumers rewrite them one after the other: so the folder is watched, not the
 * files, looked at every ten seconds as well (inotify may be used up, or lose events on some file systems), and a pair that does not fit together is
 * not taken: the old one serves until the new one is whole.
 */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Broadcast, type Clock, PlatformError, systemClock, type Timer } from "@liquidmetal/foundation";
import { type Logger, silentLogger } from "../logger.ts";
import type { RuntimeMetrics } from "./runtime-metrics.ts";

export interface CertificateFiles {
  /** PEM, with intermediates behind it. */
  readonly certificatePath: string;
  /** PEM, not encrypted. */
  readonly keyPath: string;
}

export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface ServingCertificate extends Disposable {
  readonly current: CertificatePair;
  onChange(listener: (pair: CertificatePair) => void): Disposable;
}

export interface ServingCertificateOptions extends CertificateFiles {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: RuntimeMetrics;
  /** Milliseconds between two looks without an event. Default 10,000. */
  readonly pollMs?: number;
}

const settleMs = 50;

/** Throws `CONFIG_INVALID` when there is no valid pair to begin with. */
export async function watchCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { clock = systemClock, logger = silentLogger, metrics, pollMs = 10_000 } = options;
  const changes = new Broadcast<CertificatePair>();
  let current = await readPair(options);
  metrics?.certificateReads.inc();
  let disposed = false;
  let next: { readonly dueMs: number; readonly timer: Timer } | undefined;
  let looking = false;
  let changedMeanwhile = false;
  const look = async (): Promise<void> => {
    try {
      const pair = await readPair(options);
      if (disposed || fingerprint(pair) === fingerprint(current)) return;
      current = pair;
      metrics?.certificateReads.inc();
      logger.info("certificate.reloaded", { path: options.certificatePath, ...about(pair) });
      changes.publish(pair);
    } catch (error) {
      metrics?.certificateReadErrors.inc();
      logger.warn("certificate.unreadable", {
        path: options.certificatePath,
        error: PlatformError.from(error).message,
      });
    }
  };
  /** The earlier of two wishes wins, so that many events do not put the look off for ever. */
  const schedule = (afterMs: number): void => {
    const dueMs = clock.monotonicMs() + afterMs;
    if (looking) changedMeanwhile = true;
    if (disposed || looking || (next !== undefined && next.dueMs <= dueMs)) return;
    next?.timer.cancel();
    next = { dueMs, timer: clock.timer(afterMs, () => void run()) };
  };
  const run = async (): Promise<void> => {
    next = undefined;
    looking = true;
    await look();
    looking = false;
    const soon = changedMeanwhile;
    changedMeanwhile = false;
    schedule(soon ? settleMs : pollMs);
  };
  const watchers = [...new Set([dirname(options.certificatePath), dirname(options.keyPath)])].flatMap((directory) =>
    watchFolder(directory, () => schedule(settleMs), logger),
  );
  schedule(pollMs);
  return {
    get current() {
      return current;
    },
    onChange: (listener) => changes.listen(listener),
    [Symbol.dispose]: () => {
      disposed = true;
      next?.timer.cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** Looking from time to time goes on when the folder cannot be watched. */
function watchFolder(directory: string, changed: () => void, logger: Logger): FSWatcher[] {
  const unwatchable = (error: unknown): void =>
    logger.warn("certificate.unwatchable", { directory, error: PlatformError.from(error).message });
  try {
    const watcher = watch(directory, { persistent: false }, changed);
    watcher.on("error", unwatchable);
    return [watcher];
  } catch (error) {
    unwatchable(error);
    return [];
  }
}

async function readPair({ certificatePath, keyPath }: CertificateFiles): Promise<CertificatePair> {
  try {
    const [certificate, key] = await Promise.all([readFile(certificatePath, "utf8"), readFile(keyPath, "utf8")]);
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new PlatformError("CONFIG_INVALID", "the key does not belong to the certificate");
    }
    return { certificate, key };
  } catch (error) {
    const { message } = PlatformError.from(error);
    throw new PlatformError(
      "CONFIG_INVALID",
      `no certificate to serve with from ${certificatePath} and ${keyPath}: ${message}`,
      { cause: error, remedy: "put a certificate and its key there, as PEM" },
    );
  }
}

function fingerprint({ certificate, key }: CertificatePair): string {
  return createHash("sha256").update(certificate).update("\0").update(key).digest("hex");
}

function about({ certificate }: CertificatePair): { readonly serial: string; readonly validTo: string } {
  const { serialNumber, validTo } = new X509Certificate(certificate);
  return { serial: serialNumber, validTo };
}
