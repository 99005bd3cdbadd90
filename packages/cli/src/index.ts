/** The command line, as far as other rooms use it: progress for people. */
export { elapsed } from "./program/duration.ts";
export { colourAllowed, createPaint, isLive, type Paint, painter } from "./program/terminal.ts";
export { type Stage, StageRenderer, type StageRendererOptions } from "./progress/stages.ts";
