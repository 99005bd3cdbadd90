/**
 * Rules for what machines are made from: MicrovmMachineTemplate and MicrovmMachinePoolTemplate, fixed but for their metadata, and MicrovmMachinePool, whose template
 * may change (a rollout).
 */
import type { AdmissionContext, AdmissionVerdict } from "@liquidmetal/kubernetes";
import {
  type MicrovmMachinePool,
  type MicrovmMachinePoolTemplate,
  type MicrovmMachineTemplate,
  sameJson,
} from "../api/index.ts";
import { Findings } from "./findings.ts";
import { checkMachineTemplateSpec } from "./machine-spec.ts";
import { refuseTemplateChange } from "./microvm-cluster.ts";

export function validateMicrovmMachineTemplate(
  template: MicrovmMachineTemplate | undefined,
  old: MicrovmMachineTemplate | undefined,
  context: Pick<AdmissionContext, "dryRun">,
): AdmissionVerdict | undefined {
  if (template === undefined) return undefined;
  const findings = new Findings();
  const [now, before] = [template.spec?.template?.spec, old?.spec?.template?.spec];
  if (old !== undefined && sameJson(now, before)) return undefined;
  checkMachineTemplateSpec(findings, now, "spec.template.spec");
  if (old !== undefined) refuseTemplateChange(findings, template, context);
  return findings.verdict();
}

export function validateMicrovmMachinePool(
  pool: MicrovmMachinePool | undefined,
  old: MicrovmMachinePool | undefined,
): AdmissionVerdict | undefined {
  if (pool === undefined) return undefined;
  const findings = new Findings();
  const [now, before] = [pool.spec?.template?.spec, old?.spec?.template?.spec];
  if (old === undefined || !sameJson(now, before)) checkMachineTemplateSpec(findings, now, "spec.template.spec");
  return findings.verdict();
}

export function validateMicrovmMachinePoolTemplate(
  template: MicrovmMachinePoolTemplate | undefined,
  old: MicrovmMachinePoolTemplate | undefined,
  context: Pick<AdmissionContext, "dryRun">,
): AdmissionVerdict | undefined {
  if (template === undefined) return undefined;
  const findings = new Findings();
  const [now, before] = [template.spec?.template?.spec, old?.spec?.template?.spec];
  if (old !== undefined && sameJson(now, before)) return undefined;
  checkMachineTemplateSpec(findings, now.template?.spec, "spec.template.spec.template.spec");
  if (now.providerIDList !== undefined) {
    const message = "names microVMs, and a template is for pools that have none yet; leave it out";
    findings.refuse("spec.template.spec.providerIDList", "Forbidden", message);
  }
  if (old !== undefined) refuseTemplateChange(findings, template, context);
  return findings.verdict();
}
