/** Secrets: bootstrap data, access to hosts, kubeconfigs. */
import { type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";

export interface Secret extends KubernetesObject {
  readonly type?: string;
  /** Base64 by key. */
  readonly data?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

export const secrets: Resource<Secret> = resource<Secret>({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
});
