/** `lm image push`: from files or from the builder's cache to a registry. */
import { printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import type { ImageBuilder } from "./builder-port.ts";
import { registryAccess } from "./destination.ts";
import { builtAlready, imageSource, recipeRequest } from "./image-source.ts";

export async function pushImage(
  invocation: Invocation,
  session: Session,
  builder: ImageBuilder,
): Promise<number | undefined> {
  const [text = "", reference = ""] = invocation.positionals;
  const source = await imageSource(text, builder);
  if (source.kind === "reference") {
    throw usage(
      `'${text}' is no image in files, and no recipe`,
      "name oci:DIR, oci-archive:FILE or a recipe that is built; the host pulls, it does not push",
    );
  }
  const layout =
    source.kind === "recipe"
      ? (await builtAlready(builder, { ...recipeRequest(invocation, session), recipe: source.recipe })).layout
      : source.path;
  using stages = session.stages();
  const digest = await stages.run(`Pushing to ${reference}`, (stage) =>
    builder.write(
      layout,
      { kind: "registry", reference },
      {
        references: [],
        registry: registryAccess(invocation.flags),
        force: true,
        signal: session.signal,
        onProgress: (doneBytes, totalBytes) =>
          stage.update(`${readableBytes(doneBytes)} of ${readableBytes(totalBytes)}`),
      },
    ),
  );
  await printOne(
    session,
    { reference, digest },
    {
      columns: [
        { header: "REFERENCE", value: (pushed) => pushed.reference, elastic: true },
        { header: "DIGEST", value: (pushed) => pushed.digest },
      ],
      json: (pushed) => ({ reference: pushed.reference, digest: pushed.digest }),
      name: (pushed) => pushed.reference,
    },
  );
  return undefined;
}
