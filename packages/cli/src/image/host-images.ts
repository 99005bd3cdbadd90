/** Bringing images from here to the host, as a stream of tar. */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import type { Image } from "../client/messages.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import type { Stage } from "../progress/stages.ts";

export interface Sending {
  readonly archive: Archive;
  readonly stage: Stage;
  /** Absent = the names in the archive. */
  readonly reference?: string;
}

/** Resolves with what the host made of it. An import lasts as long as the archive is long: no deadline of its own. */
export async function sendArchive(session: Session, host: HostClient, sending: Sending): Promise<readonly Image[]> {
  const { archive, stage, reference } = sending;
  const total = archive.sizeBytes === undefined ? "" : ` of ${readableBytes(archive.sizeBytes)}`;
  let sent = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive.chunks) {
      sent += chunk.length;
      if (session.terminal.stderr.isTTY === true) stage.update(`${readableBytes(sent)}${total}`);
      yield chunk;
    }
  }
  return host.importImage(counted(), { signal: session.signal, ...(reference === undefined ? {} : { reference }) });
}

export interface Bringing {
  /** OCI layout directory. */
  readonly layout: string;
  readonly stage: Stage;
  /** Its name and digest: what the host has already is not sent again. */
  readonly known?: { readonly reference: string; readonly digest: string };
  /** Replaces the names in the layout. */
  readonly reference?: string;
}

/** The images of an OCI layout directory, on the host. */
export async function bringToHost(session: Session, host: HostClient, bringing: Bringing): Promise<readonly Image[]> {
  const { layout, stage, known, reference } = bringing;
  const present = known === undefined ? [] : await host.images({ signal: session.signal });
  const there = present.filter((image) => image.reference === known?.reference && image.digest === known.digest);
  if (there.length > 0) {
    stage.skip("already there");
    return there;
  }
  const archive = await openArchive(layout, session);
  return sendArchive(session, host, { archive, stage, ...(reference === undefined ? {} : { reference }) });
}

export interface Archive {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number | undefined;
}

/** `path`: an archive, an OCI layout directory, or `-` for standard input. */
export async function openArchive(path: string, session: Session): Promise<Archive> {
  if (path === "-") return { chunks: bytesOf(session.terminal.stdin), sizeBytes: undefined };
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) {
    throw new PlatformError("REQUEST_INVALID", `'${path}' does not exist or cannot be read`, {
      remedy: "name an archive or an OCI layout",
    });
  }
  if (info.isDirectory()) return { chunks: tarOf(path, session.signal), sizeBytes: undefined };
  return { chunks: createReadStream(path, { highWaterMark: 262_144 }), sizeBytes: info.size };
}

/** An OCI layout directory as a tar stream, by the system's tar. */
async function* tarOf(directory: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const child = spawn("tar", ["-C", directory, "-cf", "-", "."], { stdio: ["ignore", "pipe", "pipe"], signal });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString()}`.slice(0, 2_000);
  });
  yield* bytesOf(child.stdout);
  const code = await ended;
  if (code !== 0) throw new PlatformError("REQUEST_INVALID", `tar could not read '${directory}': ${complaint.trim()}`);
}

async function* bytesOf(stream: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}
