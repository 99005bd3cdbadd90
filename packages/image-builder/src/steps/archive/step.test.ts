import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { encodeHeader } from "../../oci/tar-header.ts";
import { readContent } from "../../tree/content.ts";
import type { FileTree } from "../../tree/file-tree.ts";
import type { MakeContext } from "../step-kind.ts";
import { archive } from "./step.ts";

describe("the step archive", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-archive-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const unused = (): Promise<never> => Promise.reject(new Error("not asked for"));
  const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

  /** A tar with one file of each name. */
  function tarOf(names: Readonly<Record<string, string>>): Buffer {
    const parts = Object.entries(names).flatMap(([path, text]) => {
      const header = { path, type: "file", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 } as const;
      const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
      body.write(text);
      return [encodeHeader({ ...header, sizeBytes: text.length }), body];
    });
    return Buffer.concat([...parts, Buffer.alloc(1024)]);
  }

  async function make(fields: unknown, signal: AbortSignal = new AbortController().signal): Promise<FileTree> {
    const workDirectory = await mkdtemp(join(directory, "work-"));
    const context: MakeContext = {
      architecture: "amd64",
      recipeDirectory: directory,
      guestDirectory: directory,
      dateSeconds: 0,
      cacheDirectory: join(directory, "cache"),
      images: { plan: unused, build: unused },
      below: unused,
      report: () => {},
      workDirectory,
      signal,
    };
    const parsed = archive.fields.parse(fields);
    return (await archive.make(parsed, await archive.resolve(parsed, context), context)).tree;
  }

  function text(tree: FileTree, path: string): string {
    const entry = tree.get(path);
    assert.ok(entry?.kind === "file", `${path} is no file`);
    return readContent(entry.content, 1000).toString();
  }

  async function put(name: string, bytes: Uint8Array): Promise<{ readonly url: string; readonly digest: string }> {
    await writeFile(join(directory, name), bytes);
    return { url: name, digest: sha256(bytes) };
  }

  test("tar, gzip, zstd and plain files are told apart by what they are", async () => {
    const tar = tarOf({ "top/bin/app": "#!app" });
    const files = { "bin/app": "usr/bin/app" };
    for (const bytes of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
      assert.equal(text(await make({ ...(await put("any", bytes)), strip: 1, files }), "usr/bin/app"), "#!app");
    }
    const tree = await make({ ...(await put("plain", Buffer.from("program"))), files: { "*": "usr/bin/program" } });
    assert.equal(text(tree, "usr/bin/program"), "program");
    assert.equal(tree.get("usr/bin/program")?.mode, 0o755);
    await assert.rejects(
      make({ ...(await put("plain", Buffer.from("program"))), files }),
      /say where it goes with '\*'/,
    );
    const zip = await put("zip", Buffer.from("PK\x03\x04 and so on"));
    await assert.rejects(make({ ...zip, files }), /zip archive, which is not understood/);
  });

  test("another digest than the recipe's is refused, and nothing of it stays", async () => {
    const { url } = await put("any", Buffer.from("evil"));
    const wanted = { url, digest: sha256(Buffer.from("good")), files: { "*": "x" } };
    await assert.rejects(make(wanted), { code: "IMAGE_INPUT_MISMATCH", message: /any is sha256:.*the recipe wants/ });
    assert.equal(existsSync(join(directory, "cache")), false);
  });

  test("archives that would leave the image are refused", async () => {
    for (const name of ["../evil", "/etc/evil", "a/../../evil"]) {
      const wanted = { ...(await put("any", tarOf({ [name]: "x" }))), files: { "*": "." } };
      await assert.rejects(make(wanted), { code: "IMAGE_CORRUPT" }, name);
    }
    const cut = gzipSync(tarOf({ app: "x".repeat(5000) })).subarray(0, 60);
    await assert.rejects(make({ ...(await put("cut", cut)), files: { "*": "." } }), { code: "IMAGE_CORRUPT" });
  });

  test("over http: fetched once, used from the cache, and fetched again when the cache is damaged", async () => {
    const bytes = Buffer.from("program");
    const asked: string[] = [];
    await using server = await serve((path) => {
      asked.push(path);
      return path === "/app" ? bytes : undefined;
    });
    const wanted = { url: `${server.url}/app`, digest: sha256(bytes), files: { "*": "app" } };
    assert.equal(text(await make(wanted), "app"), "program");
    assert.equal(text(await make(wanted), "app"), "program");
    assert.deepEqual(asked, ["/app"]);
    const cached = join(directory, "cache", "archive", wanted.digest.replace(":", "-"));
    await writeFile(cached, "damage");
    assert.equal(text(await make(wanted), "app"), "program");
    assert.equal(asked.length, 2);
    assert.equal(await readFile(cached, "utf8"), "program");
    await assert.rejects(make({ ...wanted, url: `${server.url}/none`, digest: sha256(Buffer.from("?")) }), {
      code: "IMAGE_BUILD_FAILED",
      message: /the server says 404/,
    });
  });

  test("without a network a file that is not cached is an error that says so", async () => {
    const server = await serve(() => undefined);
    await server[Symbol.asyncDispose]();
    const wanted = { url: `${server.url}/app`, digest: sha256(Buffer.from("x")), files: { "*": "app" } };
    await assert.rejects(make(wanted), { code: "IMAGE_BUILD_FAILED", message: /cannot be fetched/, remedy: /network/ });
  });

  test("a cancelled download leaves nothing behind", async () => {
    const controller = new AbortController();
    await using server = await serve(() => {
      controller.abort();
      return Buffer.from("x");
    });
    const wanted = { url: `${server.url}/app`, digest: sha256(Buffer.from("x")), files: { "*": "app" } };
    await assert.rejects(make(wanted, controller.signal));
    assert.equal(existsSync(join(directory, "cache")), false);
  });

  test("what a recipe says of an archive is checked", async () => {
    const good = { url: "x", digest: sha256(Buffer.from("x")), files: { "*": "app" } };
    const wrong = [
      { ...good, digest: "sha256:abc" },
      { ...good, digest: undefined },
      { ...good, files: {} },
      { ...good, files: { "*": "/etc" } },
      { ...good, files: { "../x": "etc" } },
      { ...good, files: { x: "a/../../b" } },
      { ...good, strip: -1 },
      { ...good, mode: "rwx" },
      { ...good, unknown: 1 },
    ];
    for (const each of wrong) assert.equal(archive.fields.safeParse(each).success, false, JSON.stringify(each));
    await mkdir(join(directory, "folder"));
    await assert.rejects(make({ ...good, url: "folder" }), { code: "RECIPE_INVALID" });
    await assert.rejects(make({ ...good, url: "../outside" }), { code: "RECIPE_INVALID" });
    await assert.rejects(make({ ...good, url: "https://me:secret@mirror.example/x" }), (error: Error) => {
      assert.match(error.message, /holds a user name or password/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });

  async function serve(
    answer: (path: string) => Buffer | undefined,
  ): Promise<AsyncDisposable & { readonly url: string; readonly server: Server }> {
    const server = createServer((request, response) => {
      const bytes = answer(request.url ?? "");
      response.statusCode = bytes === undefined ? 404 : 200;
      response.end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
      server,
      url: `http://127.0.0.1:${port}`,
      [Symbol.asyncDispose]: () =>
        new Promise<void>((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        }),
    };
  }
});
