/**
 * core/v1 Events: what `kubectl describe` shows and upstream's role allows (events.k8s.io is the same store under other field names).
 */
import { wholeSeconds } from "../condition/condition.ts";
import { apiVersionOf, type KubernetesObject, type ObjectMeta, type Resource, resource } from "../object.ts";

export interface CoreEvent extends KubernetesObject {
  readonly involvedObject: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string; readonly host?: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
}

export const events: Resource<CoreEvent> = resource<CoreEvent>({
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
});

export interface EventContent {
  /** Warning is for what somebody should look at. */
  readonly type: "Normal" | "Warning";
  /** CamelCase, stable, at most 128 characters: people filter by it. */
  readonly reason: string;
  /** For people; cut at 1,024 characters. */
  readonly message: string;
}

/** Who an event is about. */
export interface EventSubject {
  readonly kind: Resource;
  readonly metadata: ObjectMeta;
}

export interface EventSource {
  readonly component: string;
  readonly instance: string;
}

/** A new event, counted once. `suffix` makes its name unlike all others of the object. */
export function eventOf(
  { kind, metadata }: EventSubject,
  content: EventContent,
  source: EventSource,
  wallMs: number,
  suffix: string,
): CoreEvent {
  const { name = "", namespace, uid, resourceVersion } = metadata;
  const now = wholeSeconds(wallMs);
  return {
    // Events of cluster-scoped objects live in "default", as client-go has it.
    metadata: { name: `${name.slice(0, 230)}.${suffix}`, namespace: namespace ?? "default" },
    involvedObject: {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    type: content.type,
    reason: content.reason.slice(0, 128),
    message: shortened(content.message),
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: source.component, host: source.instance },
    reportingComponent: source.component,
    reportingInstance: source.instance.slice(0, 128),
  };
}

function shortened(message: string): string {
  return message.length <= 1_024 ? message : `${message.slice(0, 1_021)}...`;
}
