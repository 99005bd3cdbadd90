/** Folders, recipes and children for the tests of the builder's core. Children are killed and folders removed with the world. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { CoreBuild, CoreLine } from "./image-builder-core-child.ts";

export interface CoreRun {
  readonly lines: readonly CoreLine[];
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

export interface TestLayer {
  readonly name: string;
  readonly sizeBytes: number;
  /** Default: all. The rest is zeros. */
  readonly randomBytes?: number;
}

const program = join(import.meta.dirname, "image-builder-core-child.ts");

export class CoreWorld implements AsyncDisposable {
  readonly directory: string;
  readonly #children = new Set<ChildProcess>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<CoreWorld> {
    return new CoreWorld(await mkdtemp(join(tmpdir(), "lm-core-")));
  }

  /** A recipe of some layers, each one file of bytes that cannot be compressed. Returns its path. */
  async recipe(name: string, layers: readonly TestLayer[]): Promise<string> {
    const folder = join(this.directory, name);
    await mkdir(folder, { recursive: true });
    for (const layer of layers) await this.data(name, layer);
    const steps = layers.map(
      (layer) => `  - name: ${layer.name}\n    files: [{path: data/${layer.name}, source: ${layer.name}}]\n`,
    );
    const header = `name: test/${name}\ntitle: Test\nversion: "1"\ndate: 2026-11-01\narchitectures: [amd64, arm64]\n`;
    const file = join(folder, "recipe.yaml");
    await writeFile(file, `${header}layers:\n${steps.join("")}`);
    return file;
  }

  async data(recipe: string, { name, sizeBytes, randomBytes = sizeBytes }: TestLayer): Promise<void> {
    const bytes = Buffer.alloc(sizeBytes);
    randomFillSync(bytes, 0, randomBytes);
    await writeFile(join(this.directory, recipe, name), bytes);
  }

  /** Runs a build; `onLine` sees its lines as they come. `within`: a command that runs it, as `unshare`. */
  async run(
    build: CoreBuild,
    onLine: (line: CoreLine, child: ChildProcess) => void = () => {},
    within: readonly string[] = [],
  ): Promise<CoreRun> {
    const [command = "", ...args] = [...within, process.execPath, program, JSON.stringify(build)];
    const environment = { ...process.env, NODE_NO_WARNINGS: "1" };
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: environment });
    this.#children.add(child);
    const lines: CoreLine[] = [];
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line: CoreLine = JSON.parse(text);
      lines.push(line);
      onLine(line, child);
    });
    const [exitCode, killedBy] = await once(child, "close");
    this.#children.delete(child);
    return { lines, exitCode, killedBy };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Layers that were made, and not taken from the cache. */
export function madeLayers({ lines }: CoreRun): readonly string[] {
  const made = lines.flatMap((line) =>
    "event" in line && line.event.stage === "pack" && line.event.text === "packed" ? [line.event.layer ?? ""] : [],
  );
  return made;
}

export function builtBy({ lines }: CoreRun): Extract<CoreLine, { built: unknown }>["built"] {
  const line = lines.find((one) => "built" in one);
  if (line === undefined) throw new Error(`nothing was built: ${JSON.stringify(lines.at(-1))}`);
  return line.built;
}

export function failureOf({ lines }: CoreRun): Extract<CoreLine, { failed: unknown }> {
  const line = lines.find((one) => "failed" in one);
  if (line === undefined) throw new Error("the build did not fail");
  return line;
}
