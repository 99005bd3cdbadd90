/** A build for people: a line for each layer when it is there, and below them what is being done. */
import { elapsed } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import type { Stage, StageRenderer } from "../progress/stages.ts";
import type { BuildEvent } from "./builder-port.ts";

/** What to give as `onEvent` while `stage` of `stages` runs. */
export function buildProgress(session: Session, stages: StageRenderer, stage: Stage): (event: BuildEvent) => void {
  const beganMs = new Map<string, number>();
  return (event) => {
    const { image, layer, stage: at, elapsedMs, sizeBytes } = event;
    const key = `${image}\0${layer}`;
    if (at === "build" && !beganMs.has(key)) beganMs.set(key, elapsedMs);
    // The size is told at the end, when it is known.
    if (layer === undefined || sizeBytes === undefined) return stage.update(activity(event));
    const tookMs = elapsedMs - (beganMs.get(key) ?? elapsedMs);
    stages.line(layerLine(session, { image, layer, sizeBytes, tookMs, cached: event.cached === true }));
  };
}

interface FinishedLayer {
  readonly image: string;
  readonly layer: string;
  readonly sizeBytes: number;
  readonly tookMs: number;
  readonly cached: boolean;
}

function layerLine(session: Session, { image, layer, sizeBytes, tookMs, cached }: FinishedLayer): string {
  const paint = session.paintNote;
  const name = `${image} ${paint("bold", layer)}  ${readableBytes(sizeBytes)}`;
  if (cached) return `  ${paint("dim", "=")} ${name}  ${paint("dim", "cached")}`;
  return `  ${paint("green", "✓")} ${name}  ${paint("dim", elapsed(tookMs))}`;
}

function activity(event: BuildEvent): string {
  const where = event.layer === undefined ? event.image : `${event.image} ${event.layer}`;
  const counted = event.total !== undefined && event.total > 0 && !/\d+\/\d+/.test(event.text);
  return `${where}: ${event.text}${counted ? ` ${event.done ?? 0}/${event.total}` : ""}`;
}
