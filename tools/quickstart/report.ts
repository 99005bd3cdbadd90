/** What a stage of the quickstart tells meanwhile: on a terminal all of it, redrawn in place; in a log one line per kind of thing. */
import { isLive } from "../../packages/cli/src/program/terminal.ts";
import type { Stage } from "../../packages/cli/src/progress/stages.ts";

/** In a log, lines that differ from one seen before only in their numbers, and the ends of parts, are left out. */
export function reporter(stage: Stage, live: boolean = isLive(process.stderr)): (line: string) => void {
  const seen = new Set<string>();
  return (line) => {
    const text = line.replace(/^… /, "");
    if (text === "") return;
    if (!live) {
      // apt's lines name a package each.
      const kind = text
        .replace(/^\d+ %:.*/, "%")
        .replace(/\S+(?=: resolving )/, "#")
        .replace(/[\d.]+/g, "#");
      if (kind === "%" || /^[✓✗-] /.test(text) || /^(error|hint):/.test(text) || seen.has(kind)) return;
      seen.add(kind);
    }
    stage.update(text);
  };
}
