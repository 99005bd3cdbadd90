/**
 * Which device of the guest is mounted where.
 *
 * Block volumes are `vda`, `vdb`, … in the order root, additional ones, then the seed (so the seed shifts nobody); virtiofs shares take no letter:
 * the first has the tag `user`, as upstream's, further ones their volume's id.
 */
import { type MicroVmSpec, volumesOf } from "@liquidmetal/microvm";

export interface VolumeMount {
  /** `/dev/vdb`, or the tag of a virtiofs share. */
  readonly source: string;
  /** Absolute path in the guest. */
  readonly mountPoint: string;
  readonly type: "auto" | "virtiofs";
  readonly readOnly: boolean;
}

export function volumeMounts(spec: MicroVmSpec): readonly VolumeMount[] {
  const mounts: VolumeMount[] = [];
  let blocks = 0;
  let shares = 0;
  for (const volume of volumesOf(spec)) {
    const shared = volume.source.kind === "virtiofs";
    const source = shared ? (shares++ === 0 ? "user" : volume.id) : `/dev/${blockName(blocks++)}`;
    const { mountPoint, readOnly } = volume;
    if (volume === spec.rootVolume || mountPoint === undefined || mountPoint === "") continue;
    mounts.push({ source, mountPoint, type: shared ? "virtiofs" : "auto", readOnly });
  }
  return mounts;
}

/** Kernel's name of the nth virtio disk, from 0: vda … vdz, vdaa … (drivers/block/virtio_blk.c, virtblk_name_format). */
export function blockName(index: number): string {
  let letters = "";
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1)
    letters = String.fromCharCode(97 + (rest % 26)) + letters;
  return `vd${letters}`;
}

/** Options as in /etc/fstab; a volume that is missing does not keep the guest from booting. */
export function mountOptions({ readOnly }: VolumeMount): string {
  return readOnly ? "ro,nofail" : "defaults,nofail";
}
