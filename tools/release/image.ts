/** The container image of capmvm: bundles the program, puts it beside the recipe with Node, and builds it with the image builder. */
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface ImageRequest {
  /** The checkout. */
  readonly root: string;
  /** With its v. */
  readonly version: string;
  /** As `lm image build --output` takes it: oci:DIR, oci-archive:FILE, registry:REFERENCE, containerd. */
  readonly output: string;
  /** Node for Linux of that architecture. Default: the one that runs this. */
  readonly node?: string;
  /** Default: this machine's. */
  readonly architecture?: "amd64" | "arm64";
}

/** Returns what the image builder says: reference and digest. */
export async function buildImage({ root, version, output, node, architecture }: ImageRequest): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "capmvm-image-"));
  try {
    const built = join(folder, "dist");
    await run(process.execPath, [join(root, "tools/build/main.ts"), built]);
    const program = join(folder, "program");
    await mkdir(join(program, "capmvm"), { recursive: true });
    for (const file of await piecesOf("capmvm.mjs", built)) {
      await mkdir(dirname(join(program, "capmvm", file)), { recursive: true });
      await copyFile(join(built, file), join(program, "capmvm", file));
    }
    await cp(node ?? process.execPath, join(program, "node"), { dereference: true });
    await copyFile(join(root, "deploy/capmvm/image/capmvm.yaml"), join(folder, "capmvm.yaml"));
    const platform = architecture === undefined ? [] : ["--platform", `linux/${architecture}`];
    const recipe = ["image", "build", join(folder, "capmvm.yaml"), "--set", `version=${version}`];
    const { stdout } = await run(join(root, "bin/lm"), [...recipe, "--output", output, ...platform], {
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A file of a build and those that it imports, all the way. */
async function piecesOf(entry: string, folder: string): Promise<readonly string[]> {
  const found = new Set<string>([entry]);
  for (const file of found) {
    const text = await readFile(join(folder, file), "utf8");
    for (const [, path = ""] of text.matchAll(/["'](\.{1,2}\/[\w./-]+\.mjs)["']/g)) {
      found.add(join(dirname(file), path));
    }
  }
  return [...found];
}
