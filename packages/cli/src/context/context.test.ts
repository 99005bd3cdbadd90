import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseHostAddress } from "../client/host-address.ts";
import { contextFilePath, currentContext, readContexts, writeContexts } from "./context-file.ts";

describe("contexts", () => {
  let directory: string;
  let env: Readonly<Record<string, string>>;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-context-"));
    env = { XDG_CONFIG_HOME: directory };
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test("no file means no contexts", async () => {
    assert.deepEqual(await readContexts({ XDG_CONFIG_HOME: join(directory, "none") }), { contexts: [] });
    assert.equal(await currentContext({ XDG_CONFIG_HOME: join(directory, "none") }, undefined), undefined);
  });

  test("what is written is read again, by its owner only", async () => {
    const contexts = [{ name: "rack1", host: "grpcs://rack1:9090", tokenFile: "/t", insecure: true }];
    await writeContexts(env, { current: "rack1", contexts });
    assert.deepEqual(await readContexts(env), { current: "rack1", contexts });
    assert.equal((await currentContext(env, undefined))?.host, "grpcs://rack1:9090");
    assert.equal((await stat(contextFilePath(env))).mode & 0o777, 0o600);
    await assert.rejects(currentContext(env, "rack2"), /there is no context 'rack2'/);
  });

  const wrong: readonly [string, RegExp][] = [
    ["contexts: {a: {hots: x}}", /unknown key 'contexts.a.hots'; did you mean 'host'/],
    ["context: {}", /did you mean 'contexts'/],
    ["contexts: {a: {}}", /host is missing/],
    ["- 1", /mapping/],
    ["{", /config/],
  ];
  for (const [text, pattern] of wrong) {
    test(`refuses ${text}`, async () => {
      const path = join(directory, "config.yaml");
      await writeFile(path, text);
      await assert.rejects(readContexts({ LM_CONFIG: path }), pattern);
    });
  }
});

describe("addresses of hosts", () => {
  const plain = { insecure: false };

  test("sockets and this machine are plain", () => {
    assert.equal(parseHostAddress("unix:/run/x.sock", plain).target, "unix:/run/x.sock");
    assert.equal(parseHostAddress("/run/x.sock", plain).local, true);
    assert.equal(parseHostAddress("localhost:9090", plain).tls, undefined);
    assert.equal(parseHostAddress("[::1]:1", plain).target, "[::1]:1");
  });

  test("elsewhere it is TLS unless plain text is asked for in so many words", () => {
    assert.deepEqual(parseHostAddress("rack1", plain).tls, {});
    assert.equal(parseHostAddress("rack1", plain).target, "rack1:9090");
    assert.deepEqual(parseHostAddress("grpcs://localhost:1", plain).tls, {});
    assert.throws(() => parseHostAddress("grpc://rack1:9090", plain), /plain text/);
    assert.equal(parseHostAddress("grpc://rack1:9090", { insecure: true }).tls, undefined);
    assert.equal(parseHostAddress("rack1:9090", { insecure: true }).tls, undefined);
  });

  test("nonsense", () => {
    for (const text of ["", "http://x", "a b", "x:99999", "x:0"])
      assert.throws(() => parseHostAddress(text, plain), /not the address/, text);
  });
});
