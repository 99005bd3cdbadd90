/** `lm image pull` and `lm image import`. */
import { PlatformError } from "@liquidmetal/foundation";
import type { Image } from "../client/messages.ts";
import { printList, printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import { openArchive, sendArchive } from "./host-images.ts";
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
  const source = await openArchive(path.replace(/^oci(-archive)?:/, ""), session);
  using stages = session.stages();
  const images = await stages.run(`Importing ${path === "-" ? "standard input" : path}`, (stage) =>
    sendArchive(session, host, { archive: source, stage, ...(reference === undefined ? {} : { reference }) }),
  );
  await printList(session, images, imagePresentation(session.clock.nowMs()));
  return undefined;
}
