/** Rules for volumes: one source each, unique ids, sane sizes and mount points. */
import type { SpecDraft, VolumeDraft } from "./defaults.ts";
import { isEmptyVolume, specDefaults } from "./defaults.ts";
import { checkImage } from "./validation-images.ts";
import { checkAbsolutePath, checkName } from "./validation-names.ts";
import { shown, type Violations } from "./validation-violations.ts";

const volumesMax = 32;
/** 64 TiB, in MiB: a bound against nonsense; the disk is the real one. */
const sizeMaxMiB = 64 * 1_024 * 1_024;
const partitionShape = /^[A-Za-z0-9][A-Za-z0-9._:=/-]{0,127}$/;

export function checkVolumes(violations: Violations, draft: SpecDraft): void {
  const ids = new Set<string>();
  const root = draft.rootVolume;
  if (root === undefined || isEmptyVolume(root)) {
    violations.require(draft.initrd !== undefined, "root_volume", "is required unless there is an initrd");
  } else {
    if (root.virtiofsPath) violations.add("root_volume.source", "must be an image: a root volume cannot be virtiofs");
    checkVolume(violations, "root_volume", { ...root, id: root.id || specDefaults.rootVolumeId }, ids);
  }
  const additional = draft.additionalVolumes ?? [];
  violations.require(additional.length <= volumesMax, "additional_volumes", `at most ${volumesMax}`);
  for (const [index, volume] of additional.slice(0, volumesMax).entries()) {
    checkVolume(violations, `additional_volumes[${index}]`, volume, ids);
  }
  const shared = additional.filter((volume) => volume.virtiofsPath).length;
  violations.require(shared <= 1, "additional_volumes", `only one virtiofs volume is possible, got ${shared}`);
}

function checkVolume(violations: Violations, at: string, volume: VolumeDraft, ids: Set<string>): void {
  const id = volume.id ?? "";
  checkName(violations, `${at}.id`, id);
  violations.require(!ids.has(id), `${at}.id`, `is used twice: ${shown(id)}`);
  ids.add(id);
  checkSource(violations, `${at}.source`, volume);
  if (volume.mountPoint) checkAbsolutePath(violations, `${at}.mount_point`, volume.mountPoint);
  if (volume.partitionId) {
    violations.require(
      partitionShape.test(volume.partitionId),
      `${at}.partition_id`,
      `must be letters, digits or '._:=/-': ${shown(volume.partitionId)}`,
    );
  }
  const size = volume.sizeMiB ?? 0;
  violations.require(
    Number.isInteger(size) && size >= 0 && size <= sizeMaxMiB,
    `${at}.size_in_mb`,
    `must be a whole number from 1 to ${sizeMaxMiB}, or absent: ${size}`,
  );
}

function checkSource(violations: Violations, at: string, volume: VolumeDraft): void {
  const { image, virtiofsPath } = volume;
  if (image && virtiofsPath) violations.add(at, "must be either container_source or virtiofs_source, not both");
  else if (image) checkImage(violations, `${at}.container_source`, image);
  else if (virtiofsPath) checkAbsolutePath(violations, `${at}.virtiofs_source`, virtiofsPath);
  else violations.add(at, "is required: container_source or virtiofs_source");
}
