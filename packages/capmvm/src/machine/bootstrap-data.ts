/**
 * The data that makes a guest a node: found by the name on the Machine, read once, when a microVM is made, and kept nowhere.
 *
 * Only cloud-config can be used. Whatever is wrong with the secret is a condition that says what to correct; the Machine is not failed by it.
 */
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import { type Cluster, clusterApiNames, type Machine, type MachineReason, type Secret, secrets } from "../api/index.ts";

/** Decoded bytes of all metadata of a microVM that flintlockd takes by default, less what vendor-data and meta-data need. */
const dataMaxBytes = 1_048_576 - 32_768;

export type BootstrapData =
  | { readonly available: true; readonly userData: string }
  | {
      readonly available: false;
      readonly reason: MachineReason<"BootstrapDataAvailable">;
      readonly message: string;
      /** Nothing tells when a secret changes (they are not watched): it is looked at again after a while. */
      readonly lookAgain: boolean;
    };

/** What the Machine waits for before its data is made; undefined = there is a name. */
export function bootstrapGate(machine: Machine, cluster: Cluster | undefined): BootstrapData | undefined {
  const name = machine.spec?.bootstrap?.dataSecretName;
  if (name !== undefined && name !== "") return undefined;
  const controlPlane = machine.metadata?.labels?.[clusterApiNames.controlPlaneLabel] !== undefined;
  const initialised = cluster?.status?.initialization?.controlPlaneInitialized === true;
  const message =
    controlPlane || initialised
      ? "waiting for the bootstrap provider to set Machine.spec.bootstrap.dataSecretName"
      : "waiting for the control plane of the cluster to be initialised; only then the bootstrap data of workers is made";
  return { available: false, reason: "WaitingForBootstrapData", message, lookAgain: false };
}

export async function readBootstrapData(
  client: KubernetesClient,
  machine: Machine,
  signal: AbortSignal,
): Promise<BootstrapData> {
  const name = machine.spec?.bootstrap?.dataSecretName ?? "";
  const namespace = machine.metadata?.namespace ?? "";
  return bootstrapDataOf(name, await client.find(secrets, { namespace, name }, { signal }));
}

export function bootstrapDataOf(name: string, secret: Secret | undefined): BootstrapData {
  if (secret === undefined) return unusable("SecretMissing", `there is no secret ${name}`);
  const encoded = secret.data?.["value"];
  if (encoded === undefined || encoded === "") {
    return unusable("DataInvalid", `the secret ${name} has no data under the key value`);
  }
  const format = decoded(secret.data?.["format"] ?? "")?.trim() ?? "";
  if (format !== "" && format !== "cloud-config") {
    return unusable(
      "FormatUnsupported",
      `the secret ${name} has the format ${shown(format)}; microVMs take cloud-config only`,
    );
  }
  const sizeBytes = Buffer.byteLength(encoded, "base64");
  if (sizeBytes > dataMaxBytes) {
    return unusable(
      "DataTooLarge",
      `the secret ${name} holds ${sizeBytes} bytes; hosts take ${dataMaxBytes} at most. Put large files into the image, or have the guest fetch them`,
    );
  }
  const userData = decoded(encoded);
  if (userData === undefined) return unusable("DataInvalid", `the key value of the secret ${name} is not UTF-8 text`);
  if (userData.trim() === "") return unusable("DataInvalid", `the key value of the secret ${name} is empty`);
  if (/^\s*\{\s*"ignition"/.test(userData)) {
    return unusable(
      "FormatUnsupported",
      `the secret ${name} holds an Ignition configuration; microVMs take cloud-config only`,
    );
  }
  return { available: true, userData };
}

function unusable(reason: MachineReason<"BootstrapDataAvailable">, message: string): BootstrapData {
  return { available: false, reason, message, lookAgain: true };
}

/** Undefined when it is no UTF-8. */
function decoded(base64: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, "base64"));
  } catch {
    return undefined;
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
