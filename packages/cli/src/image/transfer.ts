/** Bringing images to the host: from a registry, or as an archive from here. */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { Image } from "../client/messages.ts";
import { printList, printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import { imagePresentation } from "./view.ts";

export async function pullImage(invocation: Invocation, session: Session): Promise<number | undefined> {
  const [reference = ""] = invocation.positionals;
  const host = await session.host();
  using stages = session.stages();
  const image = await stages.run(`Pulling ${reference}`, async (stage): Promise<Image> => {
    let pulled: Image | undefined;
    for await (const progress of host.pullImage(reference, { signal: session.signal })) {
      if (progress.totalBytes > 0n) {
        stage.update(`${readableBytes(Number(progress.doneBytes))} of ${readableBytes(Number(progress.totalBytes))}`);
      }
      pulled = progress.image ?? pulled;
    }
    if (pulled === undefined) throw new PlatformError("IMAGE_PULL_FAILED", "the host ended the pull without an image");
    return pulled;
  });
  await printOne(session, image, imagePresentation(session.clock.nowMs()));
  return undefined;
}

export async function importImage(invocation: Invocation, session: Session): Promise<number | undefined> {
  const [path = ""] = invocation.positionals;
  const reference = invocation.flags.text("reference");
  const host = await session.host();
  const source = await archive(path, session);
  using stages = session.stages();
  const images = await stages.run(`Importing ${path === "-" ? "standard input" : path}`, async (stage) => {
    let sent = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of source.chunks) {
        sent += chunk.length;
        const total = source.sizeBytes === undefined ? "" : ` of ${readableBytes(source.sizeBytes)}`;
        if (session.terminal.stderr.isTTY === true) stage.update(`${readableBytes(sent)}${total}`);
        yield chunk;
      }
    }
    // An import lasts as long as the archive is long: no deadline of its own.
    const options = { signal: session.signal, ...(reference === undefined ? {} : { reference }) };
    return host.importImage(counted(), options);
  });
  await printList(session, images, imagePresentation(session.clock.nowMs()));
  return undefined;
}

interface Archive {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number | undefined;
}

async function archive(path: string, session: Session): Promise<Archive> {
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
