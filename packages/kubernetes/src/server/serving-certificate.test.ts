import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { RuntimeMetrics } from "./runtime-metrics.ts";
import { selfSignedCertificate } from "./self-signed-certificate.ts";
import { type CertificatePair, watchCertificate } from "./serving-certificate.ts";

async function folder() {
  const directory = await mkdtemp(join(tmpdir(), "lm-certificate-"));
  return {
    files: { certificatePath: join(directory, "tls.crt"), keyPath: join(directory, "tls.key") },
    directory,
    put: async ({ certificate, key }: CertificatePair, into = directory): Promise<void> => {
      await writeFile(join(into, "tls.crt"), certificate);
      await writeFile(join(into, "tls.key"), key);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

const pair = (name: string): Promise<CertificatePair> => selfSignedCertificate(name, Date.now());
const deadline = { timeout: 20_000 };

test("a swapped link beside the files is seen at once, not at the next look", deadline, async () => {
  await using at = await folder();
  const [first, second] = [await pair("first"), await pair("second")];
  for (const [version, content] of [
    ["v1", first],
    ["v2", second],
  ] as const) {
    await mkdir(join(at.directory, version));
    await at.put(content, join(at.directory, version));
  }
  await symlink("v1", join(at.directory, "..data"));
  for (const file of ["tls.crt", "tls.key"]) await symlink(join("..data", file), join(at.directory, file));
  using served = await watchCertificate({ ...at.files, pollMs: 3_600_000 });
  assert.deepEqual(served.current, first);
  const changed = Promise.withResolvers<CertificatePair>();
  using _changes = served.onChange(changed.resolve);
  await symlink("v2", join(at.directory, "..data_tmp"));
  await rename(join(at.directory, "..data_tmp"), join(at.directory, "..data"));
  // What the clock waits with does not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  assert.deepEqual(await changed.promise, second);
  assert.deepEqual(served.current, second);
  clearInterval(alive);
});

test("half of a new pair is not taken; the next look finds the whole", deadline, async () => {
  await using at = await folder();
  const clock = new FakeClock();
  const metrics = new RuntimeMetrics();
  const [first, second] = [await pair("first"), await pair("second")];
  await at.put(first);
  using served = await watchCertificate({ ...at.files, clock, metrics });
  const errors = async (): Promise<number> => (await metrics.certificateReadErrors.get()).values[0]?.value ?? 0;
  const looked = async (done: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await done())) await clock.advance(10_000);
  };
  await at.put({ ...second, key: first.key });
  await looked(async () => (await errors()) > 0);
  assert.deepEqual(served.current, first);
  await at.put(second);
  await looked(() => served.current.key === second.key);
  assert.deepEqual(served.current, second);
});

test("without a pair to begin with it says which files are missing", async () => {
  await using at = await folder();
  await assert.rejects(
    watchCertificate(at.files),
    /no certificate to serve with from .*tls\.crt and .*tls\.key: ENOENT/,
  );
  const [one, other] = [await pair("one"), await pair("other")];
  await at.put({ certificate: one.certificate, key: other.key });
  await assert.rejects(watchCertificate(at.files), /the key does not belong to the certificate/);
});
