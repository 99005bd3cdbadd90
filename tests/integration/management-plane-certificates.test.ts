import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";

import { type KeyPairFiles, type PlaneCertificates, planeCertificates } from "@liquidmetal/management-plane";

const dayMs = 86_400_000;
const read = async (pair: KeyPairFiles): Promise<X509Certificate> =>
  new X509Certificate(await readFile(pair.certificate));

describe("the certificates of a plane", () => {
  let directory = "";
  let made: PlaneCertificates;
  before(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "lm-certificates-")), "plane");
    made = await planeCertificates(directory);
  });
  after(() => rm(join(directory, ".."), { recursive: true, force: true }));

  it("serve loopback, signed by the plane's authority", async () => {
    const serving = await read(made.serving);
    assert.ok(serving.verify((await read(made.authority)).publicKey));
    assert.equal(serving.checkIP("127.0.0.1"), "127.0.0.1");
    assert.equal(serving.checkIP("::1"), "::1");
    assert.equal(serving.checkHost("localhost"), "localhost");
    assert.equal(serving.ca, false);
  });

  it("keep etcd's clients apart from those of the API server", async () => {
    const authority = (await read(made.authority)).publicKey;
    assert.equal((await read(made.etcdClient)).verify(authority), false);
    assert.equal((await read(made.admin)).verify((await read(made.etcdAuthority)).publicKey), false);
    assert.match((await read(made.admin)).subject, /O=system:masters/);
  });

  it("keep keys to their owner", async () => {
    for (const file of [made.serving.key, made.authority.key, made.serviceAccounts.privateKey])
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
  });

  it("stay as they are while they are good", async () => {
    const before = await readFile(made.serving.certificate, "utf8");
    await planeCertificates(directory);
    assert.equal(await readFile(made.serving.certificate, "utf8"), before);
  });

  it("are renewed before they end, under the same authority", async () => {
    const [serving, authority, key] = await contents();
    const clock = new FakeClock(Date.now() + 300 * dayMs);
    await planeCertificates(directory, { clock });
    const [renewed, sameAuthority, sameKey] = await contents();
    assert.notEqual(renewed, serving);
    assert.equal(sameAuthority, authority);
    assert.equal(sameKey, key, "keys of service accounts stay: tokens depend on them");
  });

  it("are made again where one is cut off or lacks a name", async () => {
    await writeFile(made.admin.certificate, "-----BEGIN CERTIFICATE-----\n");
    await planeCertificates(directory, { alternativeNames: ["IP:10.1.2.3"] });
    assert.match((await read(made.admin)).subject, /liquidmetal-admin/);
    assert.equal((await read(made.serving)).checkIP("10.1.2.3"), "10.1.2.3");
  });

  it("are made again where key and certificate do not fit", async () => {
    await writeFile(made.admin.key, await readFile(made.serving.key));
    await planeCertificates(directory);
    assert.ok((await read(made.admin)).checkPrivateKey(createPrivateKey(await readFile(made.admin.key))));
  });

  it("fit, however many make them at once", async () => {
    const folder = join(directory, "..", "shared");
    const all = await Promise.all([1, 2, 3, 4].map(() => planeCertificates(folder)));
    const pairs = all.flatMap(({ serving, admin, etcd, authority }) => [serving, admin, etcd, authority]);
    for (const pair of pairs)
      assert.ok((await read(pair)).checkPrivateKey(createPrivateKey(await readFile(pair.key))), pair.key);
    const [first] = all;
    assert.ok(first && (await read(first.serving)).verify((await read(first.authority)).publicKey));
  });

  const contents = (): Promise<string[]> =>
    Promise.all(
      [made.serving.certificate, made.authority.certificate, made.serviceAccounts.publicKey].map((file) =>
        readFile(file, "utf8"),
      ),
    );
});
