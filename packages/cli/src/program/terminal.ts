/** The process's streams and environment as a value, so that commands can be run in tests without a process. */
import type { ReadStream, WriteStream } from "node:tty";

export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode" | "isRaw">>;
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY" | "columns">>;
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY" | "columns">>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function processTerminal(): Terminal {
  return { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env };
}

/** Colour only on a terminal, and never against NO_COLOR (no-color.org), TERM=dumb or --no-color. */
export function colourAllowed(
  stream: { readonly isTTY?: boolean | undefined },
  env: Terminal["env"],
  forbidden: boolean,
): boolean {
  if (forbidden || (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb") return false;
  return stream.isTTY === true;
}

export type Paint = (style: "bold" | "dim" | "red" | "green" | "yellow" | "cyan", text: string) => string;

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export function painter(colour: boolean): Paint {
  return (style, text) => (colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
}

/** A painter for a stream of this process, by the usual rules. */
export function createPaint(stream: { readonly isTTY?: boolean }, env: Terminal["env"] = process.env): Paint {
  return painter(colourAllowed(stream, env, false));
}

/** Whether lines of progress may be redrawn in place on this stream. */
export function isLive(stream: { readonly isTTY?: boolean }, env: Terminal["env"] = process.env): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb";
}
