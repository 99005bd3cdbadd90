/**
 * containerd's snapshots. *key*: an active or view snapshot, being used. *name*: a committed one, immutable. Chain ids name committed snapshots.
 */
import { Snapshots } from "@liquidmetal/api/containerd/services/snapshots/v1/snapshots_pb.js";
import type { ContainerdCallOptions, ContainerdConnection } from "./connection.ts";
import { isInvalidArgument, isNotFound } from "./failure.ts";

export interface SnapshotMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface NewSnapshot {
  readonly key: string;
  /** Empty = none. */
  readonly parent: string;
  readonly labels?: Readonly<Record<string, string>>;
}

type WireMount = { readonly type: string; readonly source: string; readonly options: string[] };

export class SnapshotStore {
  readonly snapshotter: string;
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection, snapshotter: string) {
    this.#connection = connection;
    this.snapshotter = snapshotter;
  }

  /** Whether containerd has this snapshotter, loaded and working. */
  async available(options?: ContainerdCallOptions): Promise<boolean> {
    try {
      await this.exists("liquidmetal-probe", options);
      return true;
    } catch (error) {
      if (isInvalidArgument(error)) return false;
      throw error;
    }
  }

  async exists(key: string, options?: ContainerdCallOptions): Promise<boolean> {
    try {
      await this.#connection.unary(Snapshots.method.stat, { snapshotter: this.snapshotter, key }, options);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** A writable snapshot. */
  async prepare(wanted: NewSnapshot, options?: ContainerdCallOptions): Promise<readonly SnapshotMount[]> {
    const request = {
      snapshotter: this.snapshotter,
      key: wanted.key,
      parent: wanted.parent,
      labels: { ...wanted.labels },
    };
    return mountsOf((await this.#connection.unary(Snapshots.method.prepare, request, slow(options))).mounts);
  }

  /** A read-only snapshot. */
  async view(wanted: NewSnapshot, options?: ContainerdCallOptions): Promise<readonly SnapshotMount[]> {
    const request = {
      snapshotter: this.snapshotter,
      key: wanted.key,
      parent: wanted.parent,
      labels: { ...wanted.labels },
    };
    return mountsOf((await this.#connection.unary(Snapshots.method.view, request, slow(options))).mounts);
  }

  async mounts(key: string, options?: ContainerdCallOptions): Promise<readonly SnapshotMount[]> {
    const { mounts } = await this.#connection.unary(
      Snapshots.method.mounts,
      { snapshotter: this.snapshotter, key },
      options,
    );
    return mountsOf(mounts);
  }

  async commit(
    name: string,
    key: string,
    labels: Readonly<Record<string, string>>,
    options?: ContainerdCallOptions,
  ): Promise<void> {
    const request = { snapshotter: this.snapshotter, name, key, labels: { ...labels } };
    await this.#connection.unary(Snapshots.method.commit, request, slow(options));
  }

  /** Succeeds when it is gone already. */
  async remove(key: string, options?: ContainerdCallOptions): Promise<void> {
    try {
      await this.#connection.unary(Snapshots.method.remove, { snapshotter: this.snapshotter, key }, slow(options));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Names of all snapshots of this snapshotter. */
  async list(options?: ContainerdCallOptions): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { info } of this.#connection.stream(
      Snapshots.method.list,
      { snapshotter: this.snapshotter, filters: [] },
      options,
    )) {
      names.push(...info.map((one) => one.name));
    }
    return names;
  }
}

/** Snapshotters copy, format and delete whole trees: such calls may take minutes. */
function slow(options: ContainerdCallOptions = {}): ContainerdCallOptions {
  return { timeoutMs: 300_000, ...options };
}

function mountsOf(mounts: readonly WireMount[]): readonly SnapshotMount[] {
  return mounts.map(({ type, source, options }) => ({ type, source, options: [...options] }));
}
