/**
 * Directories of the host inside guests, by virtiofsd: one process per volume, confined to what it shares.
 *
 * Only what lies below a configured root is shared, judged by its real path, so that a link out of a root is refused. Without configured roots there is no virtiofs. The
 * process outlives the agent (the spawner started it) and is found again by its token.
 */
import { watch } from "node:fs";
import { chown, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  attempt,
  type Clock,
  PlatformError,
  type Result,
  systemClock,
  unwrap,
  withDeadline,
} from "@liquidmetal/foundation";
import type { ImageCallOptions, MadeVolume, ProcessIdentity, Spawner } from "@liquidmetal/microvm";

export interface VirtiofsStoreOptions {
  readonly spawner: Spawner;
  /** Directories below which guests may be given something; absolute. Empty = nothing. */
  readonly allowedRoots: readonly string[];
  /** virtiofsd, QEMU's (7.x) or the one in Rust. Default: the first of the usual places. */
  readonly program?: string;
  /** Milliseconds until its socket must be there. Default 5,000. */
  readonly startTimeoutMs?: number;
  /** Milliseconds that it may take to end. Default 2,000. */
  readonly stopTimeoutMs?: number;
  readonly clock?: Clock;
}

export interface VirtiofsRequest {
  readonly volumeId: string;
  /** Directory of the host; absolute. */
  readonly sourcePath: string;
  readonly readOnly: boolean;
  /** For the socket; short, exists. */
  readonly runDirectory: string;
  /** Unique to this process; it is how it is found again. */
  readonly token: string;
  /** Who may connect. */
  readonly fileOwner?: { readonly uid: number; readonly gid: number };
  readonly cgroupName?: string;
  /** Log file of the daemon. */
  readonly logPath?: string;
}

export const virtiofsStoreName = "virtiofs-store";

const usualPrograms = [
  "/usr/libexec/virtiofsd",
  "/usr/lib/virtiofsd",
  "/usr/lib/qemu/virtiofsd",
  "/usr/libexec/qemu/virtiofsd",
];
/** sockaddr_un holds 108 bytes with the closing zero. */
const socketPathMax = 107;

export class VirtiofsStore {
  readonly name: string = virtiofsStoreName;
  readonly #options: VirtiofsStoreOptions;
  #program: Promise<{ path: string; rust: boolean }> | undefined;

  constructor(options: VirtiofsStoreOptions) {
    this.#options = options;
  }

  /** Whether this host can share directories: a program and at least one root. */
  async available(): Promise<boolean> {
    if (this.#options.allowedRoots.length === 0) return false;
    return await this.#find().then(
      () => true,
      () => false,
    );
  }

  /**
   * Starts virtiofsd; resolves when its socket is there. SPEC_INVALID for a path that is not allowed or not a directory, CAPABILITY_MISSING without a virtiofsd or for
   * read-only with one that cannot.
   */
  create(request: VirtiofsRequest, options: ImageCallOptions = {}): Promise<Result<MadeVolume, PlatformError>> {
    return attempt(async () => {
      const source = await this.#confined(request.sourcePath);
      const program = await this.#find();
      if (request.readOnly && !program.rust) {
        throw new PlatformError(
          "CAPABILITY_MISSING",
          `${program.path} cannot share read-only: the virtiofsd written in Rust can`,
        );
      }
      const socket = join(request.runDirectory, `virtiofs-${basename(request.volumeId)}.sock`);
      if (Buffer.byteLength(socket) > socketPathMax)
        throw new PlatformError("VOLUME_FAILED", `the socket path ${socket} is longer than ${socketPathMax} bytes`);
      await rm(socket, { force: true });
      const identity = await this.#start(request, program, source, socket, options.signal);
      return {
        id: request.volumeId,
        kind: "virtiofs",
        path: socket,
        format: "raw",
        readOnly: request.readOnly,
        sizeBytes: 0,
        store: this.name,
        imageDigest: "",
        process: identity,
      };
    });
  }

  async exists(volume: MadeVolume): Promise<boolean> {
    if (volume.process === undefined) return false;
    return (await this.#options.spawner.verdict(volume.process)) === "alive";
  }

  /** Ends virtiofsd and removes its socket. Succeeds when it is gone already. */
  release(volume: MadeVolume): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      if (volume.process !== undefined) await this.#stop(volume.process);
      await rm(volume.path, { force: true });
      await rm(`${volume.path}.pid`, { force: true });
    });
  }

  async #confined(path: string): Promise<string> {
    const { allowedRoots } = this.#options;
    const refuse = (why: string): PlatformError =>
      new PlatformError("SPEC_INVALID", `virtiofs of '${path.slice(0, 300)}': ${why}`);
    if (allowedRoots.length === 0) throw refuse("this host shares no directories; name some in its configuration");
    // One answer for what is missing and for what is forbidden: the host's files are nobody's business.
    const forbidden = refuse(`it is not a directory below ${allowedRoots.join(", ")}`);
    if (!path.startsWith("/") || path.includes("\0")) throw forbidden;
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined || !(await stat(real)).isDirectory()) throw forbidden;
    for (const root of allowedRoots) {
      const realRoot = await realpath(root).catch(() => undefined);
      if (realRoot !== undefined && realRoot !== "/" && (real === realRoot || real.startsWith(`${realRoot}/`)))
        return real;
    }
    throw forbidden;
  }

  async #start(
    request: VirtiofsRequest,
    program: { readonly path: string; readonly rust: boolean },
    source: string,
    socket: string,
    signal: AbortSignal | undefined,
  ): Promise<ProcessIdentity> {
    const { spawner, clock = systemClock, startTimeoutMs = 5_000 } = this.#options;
    const args = program.rust
      ? [
          "--socket-path",
          socket,
          "--shared-dir",
          source,
          "--sandbox",
          "namespace",
          "--cache",
          "never",
          ...(request.readOnly ? ["--readonly"] : []),
        ]
      : [`--socket-path=${socket}`, "-f", "-o", `source=${source},cache=none,sandbox=namespace,no_posix_lock`];
    const identity = unwrap(
      await spawner.spawn({
        program: program.path,
        args,
        token: request.token,
        ...(request.logPath === undefined ? {} : { stdoutPath: request.logPath, stderrPath: request.logPath }),
        ...(request.cgroupName === undefined ? {} : { cgroup: { name: request.cgroupName } }),
      }),
    );
    try {
      await withDeadline(
        {
          clock,
          timeoutMs: startTimeoutMs,
          waitingFor: "virtiofsd's socket",
          ...(signal === undefined ? {} : { signal }),
        },
        (deadline) => appears(socket, spawner, identity, deadline),
      );
      if (request.fileOwner !== undefined) await chown(socket, request.fileOwner.uid, request.fileOwner.gid);
      return identity;
    } catch (error) {
      await this.#stop(identity);
      await rm(socket, { force: true });
      throw error;
    }
  }

  async #stop(identity: ProcessIdentity): Promise<void> {
    const { spawner, clock = systemClock, stopTimeoutMs = 2_000 } = this.#options;
    if ((await spawner.signal(identity, "SIGTERM")) !== "alive") return;
    const gone = (signal: AbortSignal): Promise<unknown> => spawner.exited(identity, { signal });
    try {
      await withDeadline({ clock, timeoutMs: stopTimeoutMs, waitingFor: "virtiofsd to end" }, gone);
    } catch {
      await spawner.signal(identity, "SIGKILL");
      await withDeadline({ clock, timeoutMs: stopTimeoutMs, waitingFor: "virtiofsd to die" }, gone);
    }
  }

  #find(): Promise<{ path: string; rust: boolean }> {
    this.#program ??= this.#look().catch((error: unknown) => {
      this.#program = undefined;
      throw error;
    });
    return this.#program;
  }

  async #look(): Promise<{ path: string; rust: boolean }> {
    const { program, spawner } = this.#options;
    for (const path of program === undefined ? usualPrograms : [program]) {
      if (program === undefined && !(await stat(path).catch(() => undefined))?.isFile()) continue;
      const help = await spawner.run({ program: path, args: ["--help"], timeoutMs: 5_000 });
      if (help.ok) return { path, rust: /--shared-dir/.test(`${help.value.stdout}${help.value.stderr}`) };
    }
    throw new PlatformError(
      "CAPABILITY_MISSING",
      `no virtiofsd on this host (looked for ${program ?? usualPrograms.join(", ")})`,
      {
        remedy: "install virtiofsd, or qemu-system-common on Debian 12",
      },
    );
  }
}

/** Resolves when the socket is there; rejects when the process ends first. */
async function appears(
  socket: string,
  spawner: Spawner,
  identity: ProcessIdentity,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const check = (): void => {
    stat(socket).then(
      () => resolve(),
      () => undefined,
    );
  };
  const watcher = watch(dirname(socket), { signal: both }, check);
  watcher.on("error", () => undefined);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  spawner.exited(identity, { signal: both }).then(
    () => reject(new PlatformError("VOLUME_FAILED", "virtiofsd ended before its socket was there; its log says why")),
    () => undefined,
  );
  check();
  try {
    await promise;
  } finally {
    over.abort();
  }
}
