/** Volumes of a machine: each has its own id and a source, one may be shared by virtiofs. */
import type { MicrovmAdditionalVolume, MicrovmMachineSpec } from "../api/index.ts";
import type { Findings } from "./findings.ts";

export function checkVolumes(findings: Findings, spec: MicrovmMachineSpec, path: string): void {
  if (spec.rootVolume.image === undefined && spec.initrd === undefined) {
    findings.refuse(
      `${path}.rootVolume.image`,
      "Required",
      "the guest boots from it; name an OCI image with a root filesystem",
    );
  }
  const ids = new Set([spec.rootVolume.id]);
  const additional = spec.additionalVolumes ?? [];
  for (const [index, volume] of additional.entries()) {
    const at = `${path}.additionalVolumes[${index}]`;
    if (ids.has(volume.id))
      findings.refuse(`${at}.id`, "Duplicate", `"${volume.id}" is there twice; each volume needs its own id`);
    ids.add(volume.id);
    checkSource(findings, volume, at);
  }
  const shared = additional.filter(({ virtiofsPath }) => virtiofsPath !== undefined).length;
  if (shared > 1) {
    findings.refuse(
      `${path}.additionalVolumes`,
      "Invalid",
      `${shared} volumes are shared by virtiofs; hosts can do one a microVM`,
    );
  }
}

function checkSource(findings: Findings, volume: MicrovmAdditionalVolume, at: string): void {
  const { image, virtiofsPath, mountPoint } = volume;
  if (image === undefined && virtiofsPath === undefined) {
    findings.refuse(at, "Required", "a volume needs something in it: give image or virtiofsPath");
  }
  if (image !== undefined && virtiofsPath !== undefined) {
    findings.warn(at, "has both image and virtiofsPath; hosts that insist on one source refuse it");
  }
  for (const [name, value] of Object.entries({ virtiofsPath, mountPoint })) {
    if (value !== undefined && !value.startsWith("/")) {
      findings.refuse(`${at}.${name}`, "Invalid", `"${value}" is no absolute path`);
    }
  }
}
