/** A Go module proxy in a folder with one module that makes one program, and its lock: to have something that can be tampered with. Reaches nothing else. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

export const module = "test.invalid/thing";
const version = "v1.0.0";
const goMod = `module ${module}\n\ngo 1.24\n`;

export class ModuleProxy {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Settings under which Go sees this proxy alone, and modules of its own in `moduleCache`. */
  environment(moduleCache: string): Readonly<Record<string, string>> {
    return { GOPROXY: `file://${this.directory}`, GOMODCACHE: moduleCache, GONOSUMDB: "*", GOSUMDB: "off" };
  }

  /** Publishes the module with a program that prints `text`, again where it was. */
  async publish(text: string): Promise<void> {
    const folder = join(this.directory, module, "@v");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "list"), `${version}\n`);
    await writeFile(
      join(folder, `${version}.info`),
      JSON.stringify({ Version: version, Time: "2026-11-01T00:00:00Z" }),
    );
    await writeFile(join(folder, `${version}.mod`), goMod);
    await writeFile(join(folder, `${version}.zip`), zip(moduleFiles(text)));
  }

  /** The recipe of the program that prints `text`, with the lock that states it. */
  async writeRecipe(directory: string, text: string): Promise<string> {
    await mkdir(join(directory, "lock"), { recursive: true });
    const require = `module test.invalid/lock\n\ngo 1.24\n\ntool ${module}\n\nrequire ${module} ${version}\n`;
    await writeFile(join(directory, "lock/go.mod"), require);
    const files = new Map([["go.mod", goMod]]);
    const sums = [`${module} ${version} ${h1(moduleFiles(text))}`, `${module} ${version}/go.mod ${h1(files)}`];
    await writeFile(join(directory, "lock/go.sum"), `${sums.join("\n")}\n`);
    const recipe = join(directory, "recipe.yaml");
    await writeFile(
      recipe,
      `name: test/go
title: A Go program
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - go:
      module: ${module}
      version: ${version}
      lock: lock
      binaries: {usr/bin/thing: .}
`,
    );
    return recipe;
  }
}

function moduleFiles(text: string): ReadonlyMap<string, string> {
  const prefix = `${module}@${version}/`;
  return new Map([
    [`${prefix}go.mod`, goMod],
    [`${prefix}main.go`, `package main\n\nfunc main() { println(${JSON.stringify(text)}) }\n`],
  ]);
}

/** Go's Hash1 (golang.org/x/mod/sumdb/dirhash) of files by name. */
function h1(files: ReadonlyMap<string, string>): string {
  const lines = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `${sha256(text)}  ${name}\n`);
  return `h1:${createHash("sha256").update(lines.join("")).digest("base64")}`;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A zip whose files are stored as they are. */
function zip(files: ReadonlyMap<string, string>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of files) {
    const [path, content] = [Buffer.from(name), Buffer.from(text)];
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x21, 8);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(content.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(path.length, 22);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\0", "latin1"), fields, end, path);
    parts.push(Buffer.from("PK\x03\x04", "latin1"), fields, path, content);
    offset += 30 + path.length + content.length;
  }
  const central = Buffer.concat(directory);
  const tail = Buffer.alloc(22);
  tail.write("PK\x05\x06", "latin1");
  tail.writeUInt16LE(files.size, 8);
  tail.writeUInt16LE(files.size, 10);
  tail.writeUInt32LE(central.length, 12);
  tail.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, tail]);
}
