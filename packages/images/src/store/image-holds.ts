/** Holds on images: one lease `flintlock/<owner>` for each owner, without an end of its own. */
import type { ContainerdCallOptions } from "../containerd/connection.ts";
import type { Containerd } from "../containerd/containerd.ts";
import type { OpenedImage } from "./opened-image.ts";

const prefix = "flintlock/";

export class ImageHolds {
  readonly #containerd: Containerd;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  /** Holds an image's content and its unpacked tree. `treeType` is containerd's resource type, `snapshots/<snapshotter>`. */
  async take(
    owner: string,
    image: OpenedImage,
    treeType: string,
    chainId: string,
    options?: ContainerdCallOptions,
  ): Promise<void> {
    const { leases } = this.#containerd;
    const lease = `${prefix}${owner}`;
    await leases.ensure(lease, { "liquidmetal.dev/owner": owner }, options);
    const digests = new Set([image.target.digest, image.descriptor.digest]);
    await Promise.all([
      ...[...digests].map((digest) => leases.add(lease, "content", digest, options)),
      leases.add(lease, treeType, chainId, options),
    ]);
  }

  /** Ends every hold of an owner; what nothing else needs is collected in containerd's next round. */
  async end(owner: string, options?: ContainerdCallOptions): Promise<void> {
    await this.#containerd.leases.remove(`${prefix}${owner}`, false, options);
  }

  async owners(options?: ContainerdCallOptions): Promise<readonly string[]> {
    const leases = await this.#containerd.leases.list(options);
    return leases
      .filter((lease) => lease.id.startsWith(prefix))
      .map((lease) => lease.id.slice(prefix.length))
      .sort();
  }
}
