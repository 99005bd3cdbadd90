/** A small world of Go modules for tests: a module proxy of files, a module cache and an image cache of their own; the compiler's cache is shared. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { MakeContext } from "../../packages/image-builder/src/steps/step-kind.ts";

const variables = ["GOPROXY", "GOSUMDB", "GOMODCACHE", "GOCACHE", "GOFLAGS", "GOTOOLCHAIN"] as const;

export class GoWorld implements AsyncDisposable {
  readonly directory: string;
  readonly reports: string[] = [];
  readonly #before: readonly (readonly [string, string | undefined])[];

  static async create(): Promise<GoWorld> {
    return new GoWorld(await mkdtemp(join(tmpdir(), "lm-go-world-")));
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.#before = variables.map((name) => [name, process.env[name]]);
    this.useProxy("proxy");
    this.useModuleCache("modules");
    process.env["GOSUMDB"] = "off";
    delete process.env["GOFLAGS"];
  }

  useProxy(name: string): void {
    process.env["GOPROXY"] = name === "off" ? "off" : `file://${join(this.directory, name)}`;
  }

  useModuleCache(name: string): void {
    process.env["GOMODCACHE"] = join(this.directory, name);
  }

  /** By default the machine's, so that the standard library is not compiled in every test. */
  useCompilerCache(name: string): void {
    process.env["GOCACHE"] = join(this.directory, name);
  }

  get moduleCache(): string {
    return process.env["GOMODCACHE"] ?? "";
  }

  /** Publishes a module version in the proxy `proxy`. */
  async publish(
    module: string,
    version: string,
    files: Readonly<Record<string, string>>,
    proxy = "proxy",
  ): Promise<void> {
    const folder = join(this.directory, proxy, module, "@v");
    await mkdir(folder, { recursive: true });
    const contents = Object.entries(files).map(([path, text]) => [`${module}@${version}/${path}`, text] as const);
    await writeFile(join(folder, "list"), `${version}\n`);
    await writeFile(
      join(folder, `${version}.info`),
      JSON.stringify({ Version: version, Time: "2026-01-02T03:04:05Z" }),
    );
    await writeFile(join(folder, `${version}.mod`), files["go.mod"] ?? `module ${module}\n`);
    await writeFile(join(folder, `${version}.zip`), zipArchive(contents));
  }

  /** Files below this world's folder. */
  async write(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
    const directory = join(this.directory, folder);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(directory, path, ".."), { recursive: true });
      await writeFile(join(directory, path), text);
    }
    return directory;
  }

  context(over: Partial<MakeContext> = {}): MakeContext {
    return {
      architecture: "amd64",
      recipeDirectory: join(this.directory, "recipes"),
      guestDirectory: join(this.directory, "guest"),
      dateSeconds: 1_790_000_000,
      cacheDirectory: join(this.directory, "cache"),
      workDirectory: join(this.directory, "work"),
      images: { plan: unused, build: unused },
      below: unused,
      report: (text) => void this.reports.push(text),
      signal: new AbortController().signal,
      ...over,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, value] of this.#before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

const unused = (): Promise<never> =>
  Promise.reject(new Error("a go step asks for no other image and for nothing below it"));

/** A zip archive of uncompressed files: https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.9.TXT sections 4.3.7 and 4.3.12. */
function zipArchive(files: readonly (readonly [name: string, text: string])[]): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [path, text] of files) {
    const [name, data] = [Buffer.from(path), Buffer.from(text)];
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(33, 8);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(data.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const entry = Buffer.concat([Buffer.from("PK\x03\x04"), shared, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), shared, tail, name]));
    local.push(entry);
    offset += entry.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, directory, Buffer.from("PK\x05\x06"), end]);
}
