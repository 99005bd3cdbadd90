/** A small kind of our own for tests of the Kubernetes client and its caches, with the definition that the real API server wants. */
import { type Condition, type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import type { ApiServer } from "./management-plane.ts";

export interface Widget extends KubernetesObject {
  readonly spec?: {
    readonly size?: number;
    readonly colour?: string;
    readonly parts?: readonly string[];
    readonly nested?: { readonly a?: string; readonly b?: string };
  };
  readonly status?: { readonly ready?: boolean; readonly conditions?: readonly Condition[] };
}

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const widgets: Resource<Widget> = resource<Widget>({
  group: "conformance.liquidmetal.dev",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});

export const configMaps: Resource<ConfigMap> = resource<ConfigMap>({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
});

const text = { type: "string" };

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${widgets.plural}.${widgets.group}` },
  spec: {
    group: widgets.group,
    scope: "Namespaced",
    names: { kind: widgets.kind, plural: widgets.plural, singular: "widget", listKind: "WidgetList" },
    versions: [
      {
        name: widgets.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  size: { type: "integer" },
                  colour: text,
                  parts: { type: "array", items: text },
                  nested: { type: "object", properties: { a: text, b: text } },
                },
              },
              status: {
                type: "object",
                properties: {
                  ready: { type: "boolean" },
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: {
                      type: "object",
                      required: ["type", "status"],
                      properties: {
                        type: text,
                        status: text,
                        reason: text,
                        message: text,
                        lastTransitionTime: { type: "string", format: "date-time" },
                        observedGeneration: { type: "integer" },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** Resolves when the server serves the kind. */
export async function defineWidgets(server: ApiServer): Promise<void> {
  await server.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(definition));
  // By path: --for=condition fails on a definition that has no conditions yet.
  const established = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True';
  await server.kubectl(["wait", established, "--timeout=60s", `crd/${definition.metadata.name}`]);
}
