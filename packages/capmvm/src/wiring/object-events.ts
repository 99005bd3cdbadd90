/** Events by the object that they are about: its kind is found by what it says of itself, or else by the cache that it came from. */
import type { EventRecorder, KubernetesObject, Resource } from "@liquidmetal/kubernetes";

/** Tells people, beside an object, that something happened. Never fails and never waits. */
export interface ObjectEvents {
  normal(object: KubernetesObject, reason: string, message: string): void;
  warning(object: KubernetesObject, reason: string, message: string): void;
}

/** Objects of other kinds than `kinds` are a defect of ours: nothing is told of them. */
export function objectEvents(recorder: Pick<EventRecorder, "record">, kinds: readonly Resource[]): ObjectEvents {
  const tell = (type: "Normal" | "Warning", object: KubernetesObject, reason: string, message: string): void => {
    const kind = kinds.find((each) => each.kind === object.kind);
    if (kind !== undefined) recorder.record(kind, object, { type, reason, message });
  };
  return {
    normal: (object, reason, message) => tell("Normal", object, reason, message),
    warning: (object, reason, message) => tell("Warning", object, reason, message),
  };
}
