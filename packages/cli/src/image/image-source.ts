/** What a command about one image may be given: a directory, an archive, a recipe that is built here, or a name on the host. */
import { PlatformError } from "@liquidmetal/foundation";
import { keyValues } from "../microvm/key-values.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import type { BuildRequest, Built, ImageBuilder } from "./builder-port.ts";
import { parsePlatforms } from "./destination.ts";

export type ImageSource =
  | { readonly kind: "layout" | "archive"; readonly path: string }
  | { readonly kind: "recipe"; readonly recipe: string }
  | { readonly kind: "reference"; readonly reference: string };

/** `oci:DIR`, `oci-archive:FILE`, the name of a shipped recipe or a YAML file; everything else is a name on the host. */
export async function imageSource(text: string, builder: Pick<ImageBuilder, "recipes">): Promise<ImageSource> {
  const [, kind, path = ""] = /^(oci|oci-archive):(.+)$/s.exec(text) ?? [];
  if (kind !== undefined) return { kind: kind === "oci" ? "layout" : "archive", path };
  if (/\.ya?ml$/.test(text)) return { kind: "recipe", recipe: text };
  const looksLikeRecipe = /^[a-z0-9][a-z0-9./-]*$/.test(text);
  if (looksLikeRecipe && (await builder.recipes()).some(({ name }) => name === text)) {
    return { kind: "recipe", recipe: text };
  }
  return { kind: "reference", reference: text };
}

/** The image of a recipe, where it is built already. Throws IMAGE_NOT_FOUND where it would have to be built. */
export async function builtAlready(builder: ImageBuilder, request: BuildRequest): Promise<Built> {
  const plan = await builder.plan(request);
  if (plan.platforms.every(({ cached }) => cached)) return builder.build(request);
  throw new PlatformError("IMAGE_NOT_FOUND", `${request.recipe} is not built, or what it is made of has changed`, {
    remedy: `lm image build ${request.recipe}`,
  });
}

/** What the flags say of a build of the recipe that is named first. Throws REQUEST_INVALID. */
export function recipeRequest(invocation: Invocation, session: Session): BuildRequest {
  const { flags, positionals } = invocation;
  const cacheDirectory = flags.text("cache-dir");
  return {
    recipe: positionals[0] ?? "",
    parameters: keyValues("set", flags.list("set"), { bare: false }),
    architectures: parsePlatforms(flags.list("platform")),
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    rebuild: false,
    signal: session.signal,
  };
}
