/** `lm image inspect`: an image on the host as the host lists it; an image in files or in a registry with everything that it is made of. */
import { PlatformError } from "@liquidmetal/foundation";
import { printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import type { AttachedDocument, ImageBuilder, ImageContents } from "./builder-port.ts";
import { contentsPresentation, describeContents } from "./contents-view.ts";
import { registryAccess } from "./destination.ts";
import { builtAlready, imageSource, recipeRequest } from "./image-source.ts";
import { describeImage, imagePresentation } from "./view.ts";

export async function inspectImage(
  invocation: Invocation,
  session: Session,
  builder: ImageBuilder,
): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const documents = (["sbom", "provenance"] as const).filter((name) => flags.on(name));
  if (documents.length > 1) throw usage("--sbom and --provenance are one document each: ask for one");
  const [text = ""] = positionals;
  const [, remote] = /^registry:(.+)$/s.exec(text) ?? [];
  if (remote !== undefined) {
    const contents = await builder.readRemote(remote, registryAccess(flags), session.signal);
    return await print(session, contents, documents[0]);
  }
  const source = await imageSource(text, builder);
  if (source.kind === "reference") {
    if (documents.length > 0) {
      throw usage(
        "the host keeps no SBOM and no provenance",
        "inspect the recipe, or the image in a directory, archive or registry: oci:DIR, oci-archive:FILE, registry:REF",
      );
    }
    const image = await (await session.host()).inspectImage(source.reference, { signal: session.signal });
    await printOne(session, image, imagePresentation(session.clock.nowMs()), describeImage);
    return undefined;
  }
  const path =
    source.kind === "recipe"
      ? (await builtAlready(builder, { ...recipeRequest(invocation, session), recipe: source.recipe })).layout
      : source.path;
  return await print(session, await builder.read(path, session.signal), documents[0]);
}

async function print(
  session: Session,
  contents: ImageContents,
  document: "sbom" | "provenance" | undefined,
): Promise<undefined> {
  if (document === undefined) await printOne(session, contents, contentsPresentation, describeContents);
  else session.print(JSON.stringify(attachedTo(contents, document).document, null, 2));
  return undefined;
}

/** Of the first platform that has one. */
function attachedTo(image: ImageContents, name: "sbom" | "provenance"): AttachedDocument {
  const found = image.platforms.flatMap((platform) => platform[name] ?? [])[0];
  if (found !== undefined) return found;
  const what = name === "sbom" ? "SBOM" : "provenance";
  throw new PlatformError("IMAGE_NOT_FOUND", `no ${what} is attached to ${image.references[0] ?? image.digest}`, {
    remedy: "images that are built here have one",
  });
}
