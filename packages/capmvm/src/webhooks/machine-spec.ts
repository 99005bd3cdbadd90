/** The spec of a machine, wherever it stands: in a MicrovmMachine, a template or a pool. */
import { type MicrovmMachineSpec, machineSpecSchema, parseProviderId } from "../api/index.ts";
import { parseEndpoint } from "../hosts/endpoint.ts";
import type { Findings } from "./findings.ts";
import { checkInterfaces } from "./network-interfaces.ts";
import { checkSchema } from "./schema-check.ts";
import { checkVolumes } from "./volumes.ts";

/** What flintlock as it is released takes; hosts of ours may allow more, so going beyond is only worth a warning. */
export const flintlockLimits = { vcpuMax: 64, memoryMinMiB: 1_024, memoryMaxMiB: 32_768 } as const;

export function checkMachineSpec(findings: Findings, spec: MicrovmMachineSpec, path: string): void {
  if (!checkSchema(findings, machineSpecSchema, spec, path)) return;
  checkSizes(findings, spec, path);
  checkVolumes(findings, spec, path);
  checkInterfaces(findings, spec, `${path}.networkInterfaces`);
  checkReferences(findings, spec, path);
}

/** Of a template or pool: what would be the same in every machine that is made from it. */
export function checkMachineTemplateSpec(findings: Findings, spec: MicrovmMachineSpec, path: string): void {
  checkMachineSpec(findings, spec, path);
  if (findings.refusedAt(path)) return;
  if (spec.providerID !== undefined) {
    findings.refuse(`${path}.providerID`, "Forbidden", "names one microVM, and a template is for many; leave it out");
  }
  for (const [index, one] of spec.networkInterfaces.entries()) {
    for (const field of ["guestMac", "address"] as const) {
      if (one[field] === undefined) continue;
      findings.warn(`${path}.networkInterfaces[${index}].${field}`, "every machine made from this will have the same");
    }
  }
}

/** Empty when it is one. */
export function checkProviderId(findings: Findings, providerId: string | undefined, path: string): void {
  if (providerId === undefined) return;
  const parsed = parseProviderId(providerId);
  if (parsed === undefined || !parseEndpoint(parsed.endpoint).ok) {
    findings.refuse(
      path,
      "Invalid",
      `"${providerId}" is not of the form microvm://<host:port>/<uid>, as in microvm://10.0.0.1:9090/01HX…`,
    );
  }
}

function checkSizes(findings: Findings, { vcpu, memoryMiB }: MicrovmMachineSpec, path: string): void {
  const { vcpuMax, memoryMinMiB, memoryMaxMiB } = flintlockLimits;
  if (vcpu > vcpuMax) findings.warn(`${path}.vcpu`, `${vcpu} is more than upstream's flintlock takes (${vcpuMax})`);
  if (memoryMiB < memoryMinMiB || memoryMiB > memoryMaxMiB) {
    findings.warn(
      `${path}.memoryMiB`,
      `${memoryMiB} is outside of what upstream's flintlock takes (${memoryMinMiB} to ${memoryMaxMiB})`,
    );
  }
}

function checkReferences(findings: Findings, spec: MicrovmMachineSpec, path: string): void {
  const references = [
    ["kernel.image", spec.kernel.image],
    ["initrd.image", spec.initrd?.image],
    ["rootVolume.image", spec.rootVolume.image],
    ...(spec.additionalVolumes ?? []).map(({ image }, index) => [`additionalVolumes[${index}].image`, image] as const),
  ] as const;
  for (const [field, image] of references) {
    if (image !== undefined && /[\s@]@|\s|^[-./:@]/.test(image)) {
      findings.refuse(
        `${path}.${field}`,
        "Invalid",
        `"${image}" is no reference of an OCI image, as in registry.example/kernel:6.12`,
      );
    }
  }
}
