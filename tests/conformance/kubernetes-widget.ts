/** The kind of the client's suite, as the real API server wants it defined. */
import { widgets } from "./kubernetes-client-suite.ts";

const text = { type: "string" };

export const widgetDefinition = {
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
} as const;
