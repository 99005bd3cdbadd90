/** Counts what one process with tests told: the lines of the recorder, and how the process itself ended. Pure. */

/** `suite`: ended, and only what is in it counts. `ended`: the whole run came to its end. */
export type RecordedKind = "began" | "passed" | "failed" | "skipped" | "suite" | "ended";

export interface RecordedEvent {
  readonly kind: RecordedKind;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly nesting: number;
  /** Of a skipped one; may be empty. */
  readonly reason?: string;
  readonly error?: string;
}

/** How the process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** It was ended at its deadline. */
  readonly timedOut: boolean;
}

export interface Finding {
  readonly title: string;
  readonly file: string;
  readonly line: number;
  readonly detail: string;
}

export interface Tally {
  readonly passed: number;
  readonly failures: readonly Finding[];
  readonly skips: readonly Finding[];
  /** The process itself went wrong, so its output is worth reading. */
  readonly broken: boolean;
}

export function tally(text: string, end: ProcessEnd, files: readonly string[]): Tally {
  const events = text.split("\n").flatMap(parse);
  const failures = events.filter((event) => event.kind === "failed").map(finding);
  const skips = events.filter((event) => event.kind === "skipped").map(finding);
  const passed = events.filter((event) => event.kind === "passed").length;
  const wrong = whatIsWrong(events, end, failures.length + skips.length + passed);
  const file = files.length === 1 ? (files[0] ?? "") : "";
  const unfinished = unfinishedIn(events);
  const broken: readonly Finding[] =
    wrong === undefined || (failures.length > 0 && wrong.expected)
      ? []
      : [
          {
            title: wrong.text,
            file: unfinished?.file ?? file,
            line: unfinished?.line ?? 0,
            detail: nameOf(unfinished),
          },
        ];
  return { passed, failures: [...failures, ...broken], skips, broken: broken.length > 0 };
}

/** `expected`: it goes with any failed test, and needs no line of its own then. */
function whatIsWrong(
  events: readonly RecordedEvent[],
  end: ProcessEnd,
  counted: number,
): { readonly text: string; readonly expected: boolean } | undefined {
  const ended = events.some((event) => event.kind === "ended");
  if (end.timedOut) return { text: "did not end in time and was killed", expected: false };
  if (end.signal !== null) return { text: `was killed by ${end.signal}`, expected: false };
  if (events.length === 0 && end.code === 0) return { text: "ended without telling of any test", expected: false };
  if (!ended) return { text: `ended with exit code ${end.code} before its tests did`, expected: false };
  if (end.code !== 0) return { text: `ended with exit code ${end.code}`, expected: true };
  if (counted === 0) return { text: "holds no test", expected: false };
  return undefined;
}

/** The innermost test that began and did not end. */
function unfinishedIn(events: readonly RecordedEvent[]): RecordedEvent | undefined {
  const open: RecordedEvent[] = [];
  for (const event of events) {
    if (event.kind === "began") open.push(event);
    else {
      const index = open.findLastIndex((each) => isSame(each, event));
      if (index >= 0) open.splice(index, 1);
    }
  }
  return open.at(-1);
}

const isSame = (one: RecordedEvent, other: RecordedEvent): boolean =>
  one.name === other.name && one.file === other.file && one.nesting === other.nesting;

const nameOf = (event: RecordedEvent | undefined): string => (event === undefined ? "" : `while in: ${event.name}`);

const finding = (event: RecordedEvent): Finding => ({
  title: event.name,
  file: event.file,
  line: event.line,
  detail: event.error ?? event.reason ?? "",
});

/** The last line of a killed process may be cut. */
function parse(line: string): readonly RecordedEvent[] {
  try {
    return line === "" ? [] : [JSON.parse(line) as RecordedEvent];
  } catch {
    return [];
  }
}
