/**
 * A reporter of Node's test runner that writes one JSON line for each thing that the tally counts: what passed, failed or was skipped, and what began.
 * Loaded by name with `--test-reporter`.
 */
import { AssertionError } from "node:assert";
import { inspect } from "node:util";
import type { RecordedEvent } from "./tally.ts";

const keptLines = 60;

interface SourceEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly line?: number;
    readonly nesting?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: unknown };
  };
}

export default async function* record(source: AsyncIterable<SourceEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const recorded = recordOf(event);
    if (recorded !== undefined) yield `${JSON.stringify(recorded)}\n`;
  }
}

function recordOf({ type, data }: SourceEvent): RecordedEvent | undefined {
  const { name = "", file = "", line = 0, nesting = 0, details } = data;
  const at = { name, file, line, nesting };
  const suite = details?.type === "suite";
  const reason = reasonOf(data.skip) ?? reasonOf(data.todo);
  switch (type) {
    case "test:dequeue":
      return { kind: "began", ...at };
    case "test:pass":
      if (reason !== undefined) return { kind: "skipped", ...at, reason };
      return { kind: suite ? "suite" : "passed", ...at };
    case "test:fail":
      if (reason !== undefined) return { kind: "skipped", ...at, reason };
      // What failed inside of it was counted already.
      if (failureType(details?.error) === "subtestsFailed") return { kind: "suite", ...at };
      return { kind: "failed", ...at, error: describe(details?.error) };
    case "test:summary":
      return { kind: "ended", ...at };
    default:
      return undefined;
  }
}

function reasonOf(mark: string | boolean | undefined): string | undefined {
  if (mark === undefined || mark === false) return undefined;
  return typeof mark === "string" ? mark : "";
}

const failureType = (error: unknown): unknown =>
  error instanceof Error && "failureType" in error ? error.failureType : undefined;

/** Node's own frames tell nobody anything; an assertion repeats in its properties what its message says. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text =
    cause instanceof AssertionError
      ? (cause.stack ?? cause.message)
      : typeof cause === "string"
        ? cause
        : inspect(cause, { depth: 4, breakLength: 120 });
  const lines = text.split("\n").filter((line) => !/^\s+at .*\bnode:/.test(line));
  return [...lines.slice(0, keptLines), ...(lines.length > keptLines ? ["…"] : [])].join("\n");
}
