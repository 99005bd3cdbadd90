/** `lm image inspect`: an image on the host as the host lists it; an image in files with everything that it is made of. */
import { PlatformError } from "@liquidmetal/foundation";
import { printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import type { AttachedDocument, ImageBuilder, ImageContents } from "./builder-port.ts";
import { contentsPresentation, describeContents } from "./contents-view.ts";
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
  const source = await imageSource(positionals[0] ?? "", builder);
  if (source.kind === "reference") {
    if (documents.length > 0) {
      throw usage(
        "the host keeps no SBOM and no provenance",
        "inspect the recipe, or the image in a directory or archive: oci:DIR, oci-archive:FILE",
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
  const contents = await builder.read(path, session.signal);
  const [document] = documents;
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
