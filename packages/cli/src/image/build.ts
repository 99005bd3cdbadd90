/** `lm image build`: plans or builds, brings the image where it shall go, and tells what came of it. */
import { PlatformError } from "@liquidmetal/foundation";
import { printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import type { StageRenderer } from "../progress/stages.ts";
import { buildProgress } from "./build-progress.ts";
import { type BuiltView, builtPresentation, describeBuilt, type WrittenView } from "./build-view.ts";
import type { Built, FileDestination, ImageBuilder, RegistryAccess } from "./builder-port.ts";
import { type Destination, destinationName, parseDestinations, registryAccess } from "./destination.ts";
import { bringToHost } from "./host-images.ts";
import { recipeRequest } from "./image-source.ts";
import { describePlan, planPresentation } from "./plan-view.ts";

export async function buildImage(
  invocation: Invocation,
  session: Session,
  builder: ImageBuilder,
): Promise<number | undefined> {
  const { flags } = invocation;
  const destinations = parseDestinations(flags.list("output"));
  const references = flags.list("reference");
  const request = { ...recipeRequest(invocation, session), rebuild: flags.on("rebuild") };
  if (flags.on("plan")) {
    const plan = await builder.plan(request);
    await printOne(session, plan, planPresentation, (planned) => describePlan(planned));
    return undefined;
  }
  if (references.length > 0 && destinations.length === 0) {
    throw usage(
      "--reference names the image in its outputs, and there are none",
      "add --output, for example containerd",
    );
  }
  const force = flags.on("force");
  // Before the work, not after it.
  for (const destination of destinations) {
    if (destination.kind !== "containerd") await builder.checkDestination(destination, force);
    else if (references.length > 1) throw usage("containerd takes one --reference");
    else await (await session.host()).images({ signal: session.signal });
  }
  using stages = session.stages();
  const built = await stages.run(
    `Building ${request.recipe}`,
    (stage) => builder.build({ ...request, onEvent: buildProgress(session, stages, stage) }),
    (result) => (result.cached ? "nothing changed" : readableBytes(result.sizeBytes)),
  );
  const outputs: WrittenView[] = [];
  const delivery = { session, builder, stages, built, references, force, registry: registryAccess(flags) };
  for (const destination of destinations) {
    outputs.push(await deliver(delivery, destination));
  }
  const view: BuiltView = { built, outputs };
  await printOne(session, view, builtPresentation, describeBuilt);
  return undefined;
}

interface Delivery {
  readonly session: Session;
  readonly builder: ImageBuilder;
  readonly stages: StageRenderer;
  readonly built: Built;
  readonly references: readonly string[];
  readonly force: boolean;
  readonly registry: RegistryAccess;
}

async function deliver(delivery: Delivery, destination: Destination): Promise<WrittenView> {
  const { stages, session, built, references } = delivery;
  const name = destinationName(destination);
  if (destination.kind !== "containerd") return written(delivery, destination, name);
  const host = await session.host();
  return stages.run(`Importing to ${host.address}`, async (stage) => {
    const [reference] = references;
    const images = await bringToHost(session, host, {
      layout: built.layout,
      stage,
      ...(reference === undefined ? { known: built } : { reference }),
    });
    const [image] = images;
    if (image === undefined) throw new PlatformError("IMAGE_CORRUPT", "the host found no image in the layout");
    return { output: name, references: images.map((each) => each.reference), digest: image.digest };
  });
}

function written(delivery: Delivery, destination: FileDestination, name: string): Promise<WrittenView> {
  const { builder, stages, session, built, references, force, registry } = delivery;
  return stages.run(`Writing ${name}`, async (stage) => {
    const digest = await builder.write(built.layout, destination, {
      references,
      force,
      registry,
      signal: session.signal,
      onProgress: (doneBytes, totalBytes) =>
        stage.update(`${readableBytes(doneBytes)} of ${readableBytes(totalBytes)}`),
    });
    const names = references.length > 0 ? references : built.references;
    return { output: name, references: destination.kind === "registry" ? [destination.reference] : names, digest };
  });
}
