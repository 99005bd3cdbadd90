/** For tests of the image commands: a builder that builds nothing, a host with images and a microVM that gets ready or not, and a run of a command. */
import { PassThrough } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { MicroVMSchema, WatchResponse_Type, WatchResponseSchema } from "@liquidmetal/api";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import type { Image, Spec } from "../client/messages.ts";
import { isOutputFormat } from "../output/format.ts";
import type { Command, Invocation } from "../program/command.ts";
import { bindValues, parseCommandLine } from "../program/parse.ts";
import { Session } from "../program/session.ts";
import type { BuildEvent, BuildRequest, Built, FileDestination, ImageBuilder, ImageContents } from "./builder-port.ts";

export const digest: string = `sha256:${"ab".repeat(32)}`;

const builtTiny: Built = {
  reference: "liquidmetal.local/base/tiny:1-0a1b2c3d",
  references: ["liquidmetal.local/base/tiny:1-0a1b2c3d", "liquidmetal.local/base/tiny:latest"],
  layout: "/nowhere/layout",
  digest,
  manifests: [{ architecture: "amd64", digest }],
  labels: { "dev.liquidmetal.memory.minimum-mib": "64" },
  sizeBytes: 3 * 1024 ** 2,
  cached: false,
  durationMs: 1_500,
};

export const contentsOfTiny: ImageContents = {
  references: builtTiny.references,
  digest,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  annotations: {},
  platforms: [
    {
      platform: "linux/amd64",
      digest,
      sizeBytes: builtTiny.sizeBytes,
      createdAt: "2026-01-01T00:00:00Z",
      labels: builtTiny.labels,
      annotations: {},
      layers: [{ name: "busybox", digest, mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", sizeBytes: 4096 }],
      sbom: { digest, mediaType: "application/spdx+json", document: { packages: [{}, {}] } },
    },
  ],
};

const events: readonly BuildEvent[] = [
  { image: "base/tiny", stage: "resolve", text: "asking apt", elapsedMs: 1 },
  { image: "base/tiny", layer: "busybox", stage: "build", cached: true, text: "", sizeBytes: 2048, elapsedMs: 2 },
  { image: "base/tiny", layer: "init", stage: "build", text: "copying", done: 1, total: 3, elapsedMs: 1_000 },
  { image: "base/tiny", layer: "init", stage: "pack", text: "packed", sizeBytes: 4096, elapsedMs: 2_500 },
  { image: "base/tiny", stage: "done", text: "built", sizeBytes: 8192, elapsedMs: 2_600 },
];

export class FakeBuilder implements ImageBuilder {
  readonly requests: BuildRequest[] = [];
  readonly written: string[] = [];
  readonly pruned: unknown[] = [];
  built: Built = builtTiny;
  /** A recipe whose layers are not all in the cache. */
  cold: readonly string[] = [];
  refuses: string | undefined;

  async plan(request: BuildRequest): ReturnType<ImageBuilder["plan"]> {
    this.requests.push(request);
    const cached = !this.cold.includes(request.recipe);
    const layers = [
      { name: "busybox", kind: "packages", cached: true, sizeBytes: 2048, inputs: 1 },
      { name: "init", kind: "files", cached, sizeBytes: undefined, inputs: 3 },
    ];
    const { reference } = this.built;
    return { image: request.recipe, reference, platforms: [{ architecture: "amd64", cached, layers }] };
  }

  async build(request: BuildRequest): Promise<Built> {
    this.requests.push(request);
    for (const event of events) request.onEvent?.(event);
    return this.built;
  }

  async recipes(): ReturnType<ImageBuilder["recipes"]> {
    const parameters = { version: { description: "of the thing", default: "1.36.3", tested: ["1.34.11", "1.36.3"] } };
    const shared = { architectures: ["amd64"] as const, description: "", parameters: {} };
    return [
      { ...shared, name: "base/tiny", title: "Tiny", path: "/images/base/tiny.yaml" },
      { ...shared, name: "kernel/distro", title: "Kernel", path: "/images/kernel/distro.yaml", parameters },
    ];
  }

  async checkDestination(destination: FileDestination): Promise<void> {
    const name = "path" in destination ? destination.path : destination.reference;
    if (name === this.refuses) throw new PlatformError("REQUEST_INVALID", `${name} exists`);
  }

  async write(
    layout: string,
    destination: FileDestination,
    options: { references: readonly string[] },
  ): Promise<string> {
    this.written.push([layout, ...Object.values(destination), ...options.references].join(" "));
    return digest;
  }

  async read(): Promise<ImageContents> {
    return contentsOfTiny;
  }

  async readRemote(reference: string): Promise<ImageContents> {
    return { ...contentsOfTiny, references: [reference] };
  }

  async checkDigests(): ReturnType<ImageBuilder["checkDigests"]> {
    return { blobs: 3, sizeBytes: 4096 };
  }

  async lock(request: Parameters<ImageBuilder["lock"]>[0]): ReturnType<ImageBuilder["lock"]> {
    request.report("asking for the module");
    this.written.push([request.module, request.version, ...request.packages, ...request.tags].join(" "));
    return { directory: request.directory, goVersion: "1.26.0", moduleCount: 12 };
  }

  async cached(): ReturnType<ImageBuilder["cached"]> {
    const entries = [
      {
        kind: "image",
        name: "base/tiny",
        key: "k1".repeat(32),
        sizeBytes: 1024,
        usedAtMs: 1_789_999_000_000,
        inUse: true,
      },
      {
        kind: "layer",
        name: "busybox",
        key: "k2".repeat(32),
        sizeBytes: 2048,
        usedAtMs: 1_789_900_000_000,
        inUse: false,
      },
    ] as const;
    return { entries, totalBytes: 2048 };
  }

  async prune(options: Parameters<ImageBuilder["prune"]>[0]): ReturnType<ImageBuilder["prune"]> {
    const { signal: _, ...said } = options;
    this.pruned.push(said);
    return { removed: (await this.cached()).entries, freedBytes: 2048, keptBytes: 0 };
  }
}

/** A host whose guests get ready at once, unless `never`: then they fail. Notes what it is asked for. */
export class FakeHost {
  readonly asked: string[] = [];
  readonly specs: Spec[] = [];
  never = false;
  /** Called when somebody begins to wait for the guest. */
  onWatch: () => void = () => {};
  readonly present: Map<string, Pick<Image, "reference" | "digest" | "labels">>;

  constructor(present: readonly Pick<Image, "reference" | "digest" | "labels">[] = []) {
    this.present = new Map(present.map((image) => [image.reference, image]));
  }

  get client(): HostClient {
    const here = this;
    const image = (reference: string): Image => {
      const found = here.present.get(reference);
      if (found === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `no ${reference}`);
      return found as Image;
    };
    const some: Partial<HostClient> = {
      address: "/fake.sock",
      images: async () => [...here.present.values()] as Image[],
      inspectImage: async (reference) => image(reference),
      removeImage: async (reference) => {
        here.asked.push(`remove ${reference}`);
        here.present.delete(reference);
      },
      create: async (spec) => {
        here.asked.push("create");
        here.specs.push(spec);
        return create(MicroVMSchema, { spec: { ...spec, uid: "u1" } });
      },
      delete: async () => void here.asked.push("delete"),
      logs: async function* () {
        yield { data: Buffer.from("early\nliquidmetal: fatal: \u001b[2Jno root\n") } as never;
      },
      watch: async function* (_filter, { signal }) {
        if (here.asked.includes("delete")) {
          yield create(WatchResponseSchema, { type: WatchResponse_Type.SYNCED });
          return;
        }
        here.onWatch();
        signal.throwIfAborted();
        const status = here.never ? { phase: "failed", message: "panic" } : { phase: "running", ready: true };
        yield create(WatchResponseSchema, {
          type: WatchResponse_Type.SNAPSHOT,
          microvm: { spec: { uid: "u1" }, status },
        });
      },
      close: () => {},
    };
    return some as HostClient;
  }
}

export interface CommandRun {
  readonly invocation: Invocation;
  readonly session: Session;
  readonly interruption: AbortController;
  stdout(): string;
  stderr(): string;
}

/** What `lm` makes of a command line before it runs the command. */
export function commandRun(command: Command, words: readonly string[], host: FakeHost = new FakeHost()): CommandRun {
  const invocation = parseCommandLine(command, bindValues(command, words));
  const texts = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr"): PassThrough => {
    const made = new PassThrough();
    made.on("data", (chunk: Buffer) => {
      texts[name] += chunk.toString();
    });
    return made;
  };
  const interruption = new AbortController();
  const session = new Session({
    terminal: { stdin: new PassThrough(), stdout: stream("stdout"), stderr: stream("stderr"), env: {} },
    flags: invocation.flags,
    format: invocation.flags.list("output").findLast(isOutputFormat) ?? "table",
    signal: interruption.signal,
    clock: new FakeClock(),
    open: async () => host.client,
  });
  return { invocation, session, interruption, stdout: () => texts.stdout, stderr: () => texts.stderr };
}
