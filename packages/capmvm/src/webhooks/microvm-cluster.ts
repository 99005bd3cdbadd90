/**
 * Rules for MicrovmCluster and its template.
 *
 * What is checked is what a write brings in: an update that leaves the spec alone passes, so that objects from before a rule can still be finalised. Templates are
 * fixed but for their metadata; the topology controller's dry runs may try changes.
 */
import { type AdmissionContext, type AdmissionVerdict, managedByAnnotation } from "@liquidmetal/kubernetes";
import {
  annotations,
  clusterApiNames,
  type MicrovmCluster,
  type MicrovmClusterTemplate,
  sameJson,
} from "../api/index.ts";
import { checkClusterSpec } from "./cluster-spec.ts";
import { Findings } from "./findings.ts";

export function validateMicrovmCluster(
  cluster: MicrovmCluster | undefined,
  old: MicrovmCluster | undefined,
): AdmissionVerdict | undefined {
  if (cluster === undefined) return undefined;
  const findings = new Findings();
  if (old === undefined || !sameJson(cluster.spec, old.spec)) checkClusterSpec(findings, cluster.spec, "spec");
  if (old !== undefined) checkChange(findings, cluster, old);
  checkAbandon(findings, cluster);
  return findings.verdict();
}

export function validateMicrovmClusterTemplate(
  template: MicrovmClusterTemplate | undefined,
  old: MicrovmClusterTemplate | undefined,
  context: Pick<AdmissionContext, "dryRun">,
): AdmissionVerdict | undefined {
  if (template === undefined) return undefined;
  const findings = new Findings();
  const [now, before] = [template.spec?.template?.spec, old?.spec?.template?.spec];
  if (old === undefined || !sameJson(now, before)) checkClusterSpec(findings, now, "spec.template.spec");
  if (old !== undefined && !sameJson(now, before)) refuseTemplateChange(findings, template, context);
  return findings.verdict();
}

/** Fixed, except in the dry runs by which the topology controller finds out what is different. */
export function refuseTemplateChange(
  findings: Findings,
  template: { readonly kind?: string; readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> } },
  { dryRun }: Pick<AdmissionContext, "dryRun">,
): void {
  const byTopology = template.metadata?.annotations?.[clusterApiNames.topologyDryRunAnnotation] !== undefined;
  if (dryRun && byTopology) return;
  findings.refuse(
    "spec.template.spec",
    "Forbidden",
    `what was made from a ${template.kind ?? "template"} does not follow it; make another one and refer to that`,
  );
}

/** The annotation is there and does not say "true": somebody meant something by it. */
export function checkAbandon(
  findings: Findings,
  object: MicrovmCluster | { metadata?: MicrovmCluster["metadata"] },
): void {
  const value = object.metadata?.annotations?.[annotations.abandonUnreachableHost];
  if (value === undefined || value === "true") return;
  findings.warn(
    `metadata.annotations[${annotations.abandonUnreachableHost}]`,
    `${JSON.stringify(value)} is as good as absent; only "true" lets deletion leave microVMs behind`,
  );
}

function checkChange(findings: Findings, cluster: MicrovmCluster, old: MicrovmCluster): void {
  const [now, before] = [cluster.spec?.controlPlaneEndpoint, old.spec?.controlPlaneEndpoint];
  if (before !== undefined && !sameJson(now, before)) {
    findings.refuse(
      "spec.controlPlaneEndpoint",
      "Forbidden",
      `is ${before.host}:${before.port} and cannot change: certificates and nodes of the cluster hold it; make a new cluster for another endpoint`,
    );
  }
  const managedBy = old.metadata?.annotations?.[managedByAnnotation];
  const stillManaged = cluster.metadata?.annotations?.[managedByAnnotation] !== undefined;
  if (managedBy !== undefined && !stillManaged && old.status?.initialization?.provisioned === true) {
    findings.refuse(
      `metadata.annotations[${managedByAnnotation}]`,
      "Forbidden",
      `"${managedBy}" has provisioned this cluster and goes on looking after it; the annotation cannot be taken away any more`,
    );
  }
  warnOfRemovedHosts(findings, cluster, old);
}

function warnOfRemovedHosts(findings: Findings, cluster: MicrovmCluster, old: MicrovmCluster): void {
  const kept = new Set(cluster.spec?.placement?.staticPool?.hosts?.map(({ endpoint }) => endpoint));
  for (const { endpoint, microVms = 0 } of old.status?.hosts ?? []) {
    if (kept.has(endpoint) || microVms === 0) continue;
    findings.warn(
      "spec.placement.staticPool.hosts",
      `${endpoint} has ${microVms} microVMs of this cluster, which stay until their Machines go; keep its key in the token secret`,
    );
  }
}
