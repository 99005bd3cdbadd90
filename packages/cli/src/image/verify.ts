/**
 * `lm image verify`: every digest of an image, and whether a microVM of it gets ready on the host.
 *
 * The host is left as it was: the microVM is removed, and so are the images that were brought for it.
 */
import { randomBytes } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import { type Presentation, printOne, renderFields } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { elapsed } from "../program/duration.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { parseMiB, readableBytes } from "../program/size.ts";
import type { StageRenderer } from "../progress/stages.ts";
import { bootSize, isKernelImage } from "./boot-labels.ts";
import { buildProgress } from "./build-progress.ts";
import type { ImageBuilder } from "./builder-port.ts";
import { bringToHost } from "./host-images.ts";
import { imageSource, recipeRequest } from "./image-source.ts";
import { type TrialResult, tryToBoot } from "./trial-microvm.ts";

const defaultTimeoutMs = 300_000;
/** What completes an image to something that boots, where the user names nothing. */
const partners = { kernel: "kernel/distro", root: "base/tiny" } as const;

/** An image on its way to be verified. */
interface Subject {
  readonly reference: string;
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent = it is on the host already. */
  readonly layout?: string;
}

interface Verified {
  readonly reference: string;
  readonly digest: string;
  readonly checked: { readonly blobs: number; readonly sizeBytes: number } | undefined;
  readonly boot: (TrialResult & { readonly kernel: string; readonly root: string }) | undefined;
}

interface Verification {
  readonly invocation: Invocation;
  readonly session: Session;
  readonly builder: ImageBuilder;
  readonly stages: StageRenderer;
}

export async function verifyImage(
  invocation: Invocation,
  session: Session,
  builder: ImageBuilder,
): Promise<number | undefined> {
  const { flags } = invocation;
  const fixed = flags.on("static");
  const misplaced = ["kernel", "memory", "vcpu", "timeout"].find((name) => fixed && flags.given(name));
  if (misplaced !== undefined) throw usage(`--${misplaced} is about a boot, and --static boots nothing`);
  // A host that does not answer is told before a build that may take long.
  if (!fixed) await (await session.host()).images({ signal: session.signal });
  using stages = session.stages();
  const verification = { invocation, session, builder, stages };
  const subject = await subjectOf(verification, invocation.positionals[0] ?? "");
  const { layout } = subject;
  if (layout === undefined && fixed) {
    throw usage(
      "the host checks the digests of its images itself",
      "--static goes with recipes, oci:DIR and oci-archive:FILE",
    );
  }
  const checked =
    layout === undefined
      ? undefined
      : await stages.run(
          "Checking digests",
          () => builder.checkDigests(layout, session.signal),
          ({ blobs, sizeBytes }) => `${blobs} files, ${readableBytes(sizeBytes)}`,
        );
  const boot = fixed ? undefined : await booted(verification, subject);
  const { reference, digest } = subject;
  await printOne(session, { reference, digest, checked, boot }, presentation, describe);
  return undefined;
}

async function subjectOf(verification: Verification, text: string): Promise<Subject> {
  const { builder, session, invocation } = verification;
  const source = await imageSource(text, builder);
  switch (source.kind) {
    case "recipe":
      return builtSubject(verification, source.recipe, invocation);
    case "reference": {
      const image = await (await session.host()).inspectImage(source.reference, { signal: session.signal });
      return { reference: image.reference, digest: image.digest, labels: image.labels };
    }
    case "layout":
    case "archive": {
      const contents = await builder.read(source.path, session.signal);
      const [reference = "liquidmetal.local/verify:latest"] = contents.references;
      return { reference, digest: contents.digest, labels: contents.platforms[0]?.labels ?? {}, layout: source.path };
    }
    default:
      return source satisfies never;
  }
}

/** `invocation`: whose parameters hold for it; absent for the partner, which is built as it comes. */
async function builtSubject(verification: Verification, recipe: string, invocation?: Invocation): Promise<Subject> {
  const { session, builder, stages } = verification;
  const request = recipeRequest(verification.invocation, session);
  const built = await stages.run(
    `Building ${recipe}`,
    (stage) =>
      builder.build({
        ...request,
        recipe,
        ...(invocation === undefined ? { parameters: {} } : {}),
        onEvent: buildProgress(session, stages, stage),
      }),
    ({ cached }) => (cached ? "nothing changed" : undefined),
  );
  return { reference: built.reference, digest: built.digest, labels: built.labels, layout: built.layout };
}

async function booted(verification: Verification, subject: Subject): Promise<Verified["boot"]> {
  const { session, stages } = verification;
  const host = await session.host();
  const partner = await partnerOf(verification, host, subject);
  const brought: string[] = [];
  try {
    const names: string[] = [];
    for (const image of [subject, partner]) names.push(await bring(verification, host, image, brought));
    const [ownName = "", otherName = ""] = names;
    const isKernel = isKernelImage(subject.labels);
    const [kernel, root] = isKernel ? [subject, partner] : [partner, subject];
    const title = `Booting ${subject.reference}`;
    const trial = {
      kernel: isKernel ? ownName : otherName,
      root: isKernel ? otherName : ownName,
      ...trialSize(verification.invocation, root, kernel),
    };
    const result = await stages.run(
      title,
      (stage) => tryToBoot(session, host, trial, stage),
      ({ readyAfterMs }) => `ready after ${elapsed(readyAfterMs)}`,
    );
    return { ...result, kernel: kernel.reference, root: root.reference };
  } finally {
    for (const reference of brought) await forget(session, host, reference);
  }
}

/** The other half: a kernel for a root volume, a root volume for a kernel. */
async function partnerOf(verification: Verification, host: HostClient, subject: Subject): Promise<Subject> {
  const { session, invocation } = verification;
  const kernel = invocation.flags.text("kernel");
  if (isKernelImage(subject.labels)) {
    if (kernel !== undefined) throw usage(`${subject.reference} is a kernel itself`, "leave out --kernel");
    return builtSubject(verification, partners.root);
  }
  const images = await host.images({ signal: session.signal });
  const named = images.find(({ reference }) => reference === (kernel ?? `liquidmetal.local/${partners.kernel}:latest`));
  if (named !== undefined) return named;
  if (kernel === undefined) return builtSubject(verification, partners.kernel);
  const known = (await verification.builder.recipes()).some(({ name }) => name === kernel);
  if (known) return builtSubject(verification, kernel);
  return host.inspectImage(kernel, { signal: session.signal });
}

/**
 * The image's name on the host. What the host lacks is brought there under a name of its own, noted in `brought` before anything is sent: names that
 * people use keep their meaning.
 */
async function bring(verification: Verification, host: HostClient, image: Subject, brought: string[]): Promise<string> {
  const { session, stages } = verification;
  const { layout } = image;
  if (layout === undefined) return image.reference;
  const present = await host.images({ signal: session.signal });
  const there = present.find(({ reference, digest }) => reference === image.reference && digest === image.digest);
  if (there !== undefined) return there.reference;
  const reference = `liquidmetal.local/verify/${randomBytes(6).toString("hex")}:latest`;
  brought.push(reference);
  await stages.run(`Importing ${image.reference}`, (stage) => bringToHost(session, host, { layout, stage, reference }));
  return reference;
}

/** An image that cannot be removed is told of; that is no failure of the verification. One whose import failed is not there. */
async function forget(session: Session, host: HostClient, reference: string): Promise<void> {
  try {
    await host.removeImage(reference, { signal: AbortSignal.timeout(30_000) });
  } catch (error) {
    if (error instanceof PlatformError && error.kind === "not-found") return;
    session.warn(`${reference} stays on the host: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function trialSize(
  { flags }: Invocation,
  root: Subject,
  kernel: Subject,
): ReturnType<typeof bootSize> & { timeoutMs: number } {
  const size = bootSize(root.labels, kernel.labels);
  const memory = flags.text("memory");
  const memoryMiB = memory === undefined ? size.memoryMiB : parseMiB(memory);
  if (memoryMiB === undefined || memoryMiB < 1)
    throw usage(`--memory: '${memory}' is not a size`, "write 512M, 2G, or a number of MiB");
  return {
    ...size,
    memoryMiB,
    vcpu: flags.integer("vcpu", { min: 1, max: 64 }) ?? size.vcpu,
    timeoutMs: flags.durationMs("timeout") ?? defaultTimeoutMs,
  };
}

const presentation: Presentation<Verified> = {
  columns: [],
  json: ({ reference, digest, checked, boot }) => ({
    reference,
    digest,
    checked: checked === undefined ? null : { files: checked.blobs, sizeBytes: checked.sizeBytes },
    boot:
      boot === undefined
        ? null
        : {
            readyAfterMs: Math.round(boot.readyAfterMs),
            kernel: boot.kernel,
            root: boot.root,
            addresses: boot.addresses,
          },
  }),
  name: ({ reference }) => reference,
};

function describe({ reference, digest, checked, boot }: Verified): string {
  return renderFields([
    ["Reference", reference],
    ["Digest", digest],
    ["Digests", checked === undefined ? "" : `${checked.blobs} files are what they say they are`],
    ["Ready after", boot === undefined ? "" : elapsed(boot.readyAfterMs)],
    ["Kernel", boot?.kernel],
    ["Root volume", boot?.root],
  ]);
}
