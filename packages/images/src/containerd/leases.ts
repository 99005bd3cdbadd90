/** containerd's leases: what a lease names is not garbage, for as long as the lease lives. */
import { create } from "@bufbuild/protobuf";
import { Leases, ResourceSchema } from "@liquidmetal/api/containerd/services/leases/v1/leases_pb.js";
import type { ContainerdCallOptions, ContainerdConnection } from "./connection.ts";
import { isAlreadyExists, isNotFound } from "./failure.ts";

export interface LeaseInfo {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

export class LeaseStore {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** Succeeds when it is there already. */
  async ensure(id: string, labels: Readonly<Record<string, string>>, options?: ContainerdCallOptions): Promise<void> {
    try {
      await this.#connection.unary(Leases.method.create, { id, labels: { ...labels } }, options);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Names one more thing to hold: type `content` (id = digest) or `snapshots/<snapshotter>` (id = key). */
  async add(lease: string, type: string, id: string, options?: ContainerdCallOptions): Promise<void> {
    await this.#connection.unary(
      Leases.method.addResource,
      { id: lease, resource: create(ResourceSchema, { type, id }) },
      options,
    );
  }

  /** `collectNow`: the garbage is gone when this returns. Succeeds when the lease is gone already. */
  async remove(id: string, collectNow: boolean, options?: ContainerdCallOptions): Promise<void> {
    try {
      await this.#connection.unary(Leases.method.delete, { id, sync: collectNow }, { timeoutMs: 60_000, ...options });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async list(options?: ContainerdCallOptions): Promise<readonly LeaseInfo[]> {
    const { leases } = await this.#connection.unary(Leases.method.list, { filters: [] }, options);
    return leases.map((lease) => ({ id: lease.id, labels: lease.labels }));
  }
}
