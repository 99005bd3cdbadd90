/**
 * The webhooks of the provider: one table, from which come the routes of the server and the configurations that tell the API server of them.
 *
 * All are registered for v1beta2 with matchPolicy Equivalent: what comes as v1alpha1 is converted before we see it. A write that changes nothing we look at (a
 * finalizer, a label) does not come here at all, so that objects can be finalised while the provider is down.
 */
import { randomUUID } from "node:crypto";
import {
  converting,
  type Defaulter,
  defaulting,
  type KubernetesObject,
  managedByAnnotation,
  type Resource,
  type Validator,
  validating,
  type WebhookRoute,
} from "@liquidmetal/kubernetes";
import {
  annotations,
  convertObject,
  microvmClusters,
  microvmClusterTemplates,
  microvmMachinePools,
  microvmMachinePoolTemplates,
  microvmMachines,
  microvmMachineTemplates,
} from "../api/index.ts";
import { macAddressOf } from "../machine/mac-address.ts";
import {
  validateMicrovmMachinePool,
  validateMicrovmMachinePoolTemplate,
  validateMicrovmMachineTemplate,
} from "./machine-templates.ts";
import { validateMicrovmCluster, validateMicrovmClusterTemplate } from "./microvm-cluster.ts";
import { defaultMicrovmMachine, validateMicrovmMachine } from "./microvm-machine.ts";
import { withoutNulls } from "./nulls.ts";

export interface WebhookRegistration {
  readonly resource: Resource;
  readonly mutatingRoute: WebhookRoute;
  readonly validatingRoute: WebhookRoute;
  /** Annotations that the rules look at. */
  readonly annotations: readonly string[];
}

/** Where the conversion is served; the CRDs name it. */
export const conversionPath = "/convert";

export const webhookRegistrations: readonly WebhookRegistration[] = [
  registration(microvmClusters, validateMicrovmCluster, [managedByAnnotation, annotations.abandonUnreachableHost]),
  registration(microvmClusterTemplates, validateMicrovmClusterTemplate),
  registration(microvmMachines, validateMicrovmMachine, [annotations.abandonUnreachableHost], (machine, context) =>
    defaultMicrovmMachine(machine, context, (device) => macAddressOf(randomUUID(), device)),
  ),
  registration(microvmMachineTemplates, validateMicrovmMachineTemplate),
  registration(microvmMachinePools, validateMicrovmMachinePool),
  registration(microvmMachinePoolTemplates, validateMicrovmMachinePoolTemplate),
];

/** For `startWebhookServer`: admission of every kind, and the conversion. */
export function webhookRoutes(): readonly WebhookRoute[] {
  const admission = webhookRegistrations.flatMap(({ mutatingRoute, validatingRoute }) => [
    mutatingRoute,
    validatingRoute,
  ]);
  return [...admission, converting(conversionPath, convertObject)];
}

function registration<T extends KubernetesObject>(
  resource: Resource<T>,
  validator: Validator<T>,
  watched: readonly string[] = [],
  defaulter: Defaulter<T> = (object) => object,
): WebhookRegistration {
  const path = (verb: string): string =>
    `/${verb}-${resource.group.replaceAll(".", "-")}-${resource.version}-${resource.kind.toLowerCase()}`;
  return {
    resource,
    mutatingRoute: defaulting<T>(path("mutate"), (object, context) => defaulter(withoutNulls(object), context)),
    validatingRoute: validating(path("validate"), validator),
    annotations: watched,
  };
}
