/** Pulling, from a real registry and from one that misbehaves, into a real containerd. Needs root. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { ContainerdImageStore, type RegistryOptions } from "@liquidmetal/images";
import { containerd1, containerd2Binary, PrivateContainerd } from "../assets/containerd.ts";
import { blob, image, type TestImage } from "../assets/containerd-images.ts";
import {
  indexOf,
  type Misbehaviour,
  push,
  type RegistryProcess,
  registrySkip,
  ScriptedRegistry,
  startRegistry,
  testPassword,
  testUser,
} from "../assets/containerd-registries.ts";

const hostArchitecture = process.arch === "x64" ? "amd64" : process.arch;

for (const major of [1, 2] as const) {
  const program = await (major === 1 ? containerd1() : containerd2Binary());
  const skip = typeof program === "string" ? await registrySkip() : program.skip;
  pulling(major, String(program), skip);
}

function pulling(major: 1 | 2, program: string, skip: string | false): void {
  describe(`pulling into containerd ${major}.x`, { skip, timeout: 120_000 }, () => {
    let directory: string;
    let daemon: PrivateContainerd;
    let bad: ScriptedRegistry;
    let counter = 0;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "lm-images-pull-"));
      daemon = new PrivateContainerd({ program, major, directory: join(directory, "containerd") });
      await daemon.start();
      bad = new ScriptedRegistry();
      await bad.listen();
    });

    after(async () => {
      await bad?.close();
      await daemon?.kill("SIGTERM");
      await rm(directory, { recursive: true, force: true });
    });

    /** Another content every time, so that nothing is in the store already. */
    const fresh = (architecture?: string): Promise<TestImage> =>
      image([[{ name: "file", content: `number ${counter++} ${"z".repeat(4_000)}` }]], {
        compression: "none",
        ...(architecture === undefined ? {} : { architecture }),
      });

    const withStore = async <T>(
      registry: RegistryOptions,
      work: (store: ContainerdImageStore) => Promise<T>,
    ): Promise<T> => {
      const store = new ContainerdImageStore({
        address: daemon.address,
        registry: { idleTimeoutMs: 300, connectTimeoutMs: 2_000, ...registry },
        pullAttempts: 2,
      });
      try {
        return await work(store);
      } finally {
        store.close();
      }
    };

    const failure = async (
      repository: string,
      misbehaviour: Misbehaviour,
      one?: TestImage,
    ): Promise<{ code: string; message: string }> => {
      bad.serve(repository, one ?? (await fresh()), misbehaviour);
      return await withStore({}, async (store) => {
        const before = (await store.containerd.content.list()).length;
        const result = await store.ensure(`${bad.host}/${repository}:1`, "uid-bad");
        assert.ok(!result.ok, `${misbehaviour} was accepted`);
        assert.equal((await store.containerd.content.list()).length, before, "nothing is left");
        assert.deepEqual(await store.containerd.content.ingests(), []);
        assert.ok(!unwrap(await store.list()).some(({ reference }) => reference.includes(repository)));
        return result.error;
      });
    };

    describe("a real registry", () => {
      let plain: RegistryProcess;
      let secure: RegistryProcess;
      let hosts: string;
      let credentialsPath: string;

      before(async () => {
        const storage = join(directory, "registry");
        plain = await startRegistry(storage);
        secure = await startRegistry(storage, { secure: true });
        hosts = join(directory, "hosts");
        await mkdir(join(hosts, secure.host), { recursive: true });
        await writeFile(
          join(hosts, secure.host, "hosts.toml"),
          `server = "https://${secure.host}"\nca = "${join(storage, "tls.crt")}"\n`,
        );
        credentialsPath = join(directory, "config.json");
        const auth = Buffer.from(`${testUser}:${testPassword}`).toString("base64");
        await writeFile(credentialsPath, JSON.stringify({ auths: { [secure.host]: { auth } } }), { mode: 0o600 });
      });

      after(async () => {
        await plain?.stop();
        await secure?.stop();
      });

      test("plain HTTP on loopback; once here, the registry is not asked again", async () => {
        const one = await fresh();
        await push(plain.host, "team/one", "1", one);
        await withStore({}, async (store) => {
          const seen: number[] = [];
          const info = unwrap(
            await store.pull(`${plain.host}/team/one:1`, { onProgress: ({ doneBytes }) => seen.push(doneBytes) }),
          );
          assert.equal(info.digest, one.manifest.digest);
          assert.equal(
            seen.at(-1),
            one.config.bytes.length + one.layers.reduce((sum, layer) => sum + layer.bytes.length, 0),
          );
          await plain.stop();
          assert.equal(unwrap(await store.ensure(`${plain.host}/team/one:1`, "uid-1")).digest, one.manifest.digest);
          unwrap(await store.release("uid-1"));
        });
        plain = await startRegistry(join(directory, "registry"));
      });

      test("TLS by a private authority, and a password", async () => {
        await push(plain.host, "team/secret", "1", await fresh());
        const reference = `${secure.host}/team/secret:1`;
        const untrusted = await withStore({ credentialsPath }, (store) => store.ensure(reference, "uid-2"));
        assert.equal(untrusted.ok ? "pulled" : untrusted.error.code, "IMAGE_PULL_FAILED");
        const nobody = await withStore({ hostsDirectory: hosts }, (store) => store.ensure(reference, "uid-2"));
        assert.equal(nobody.ok ? "pulled" : nobody.error.code, "IMAGE_UNAUTHORIZED");
        await withStore({ hostsDirectory: hosts, credentialsPath }, async (store) => {
          unwrap(await store.ensure(reference, "uid-2"));
          unwrap(await store.release("uid-2"));
        });
      });

      test("a mirror is asked first, and passed over when it is dead", async () => {
        const one = await fresh();
        bad.serve("team/mirrored", one);
        const mirrors = join(directory, "mirrors");
        await mkdir(join(mirrors, "registry.example.org"), { recursive: true });
        await writeFile(
          join(mirrors, "registry.example.org", "hosts.toml"),
          `server = "http://127.0.0.1:1"\n[host."http://127.0.0.1:1"]\n[host."http://${bad.host}"]\ncapabilities = ["pull", "resolve"]\n`,
        );
        await withStore({ hostsDirectory: mirrors }, async (store) => {
          unwrap(await store.ensure("registry.example.org/team/mirrored:1", "uid-3"));
          unwrap(await store.release("uid-3"));
        });
        assert.ok(bad.requests.includes("GET /v2/team/mirrored/manifests/1?ns=registry.example.org"));
      });

      test("no such image", async () => {
        const result = await withStore({}, (store) => store.ensure(`${plain.host}/team/none:1`, "uid-4"));
        assert.equal(result.ok ? "pulled" : result.error.code, "IMAGE_NOT_FOUND");
      });
    });

    test("a token service", async () => {
      bad.serve("team/token", await fresh(), "token");
      const credentialsPath = join(directory, "token.json");
      await writeFile(
        credentialsPath,
        JSON.stringify({ auths: { [bad.host]: { username: testUser, password: testPassword } } }),
      );
      await withStore({ credentialsPath }, async (store) => {
        unwrap(await store.ensure(`${bad.host}/team/token:1`, "uid-t"));
        unwrap(await store.release("uid-t"));
      });
      const refused = await withStore({}, (store) => store.pull(`${bad.host}/team/token:1`));
      assert.equal(refused.ok ? "pulled" : refused.error.code, "IMAGE_UNAUTHORIZED");
      assert.ok(!refused.ok && !refused.error.message.includes(testPassword));
    });

    test("a transfer that is cut is resumed where it stopped", async () => {
      bad.serve("team/cut", await fresh(), "cut-once");
      await withStore({}, async (store) => {
        unwrap(await store.ensure(`${bad.host}/team/cut:1`, "uid-c"));
        unwrap(await store.release("uid-c"));
      });
      assert.ok(bad.requests.some((request) => request.includes("team/cut/blobs") && /bytes=[1-9]\d*-$/.test(request)));
    });

    const failures: readonly (readonly [Misbehaviour, string])[] = [
      ["hang", "IMAGE_PULL_FAILED"],
      ["hang-half", "IMAGE_PULL_FAILED"],
      ["cut-always", "IMAGE_PULL_FAILED"],
      ["server-error", "IMAGE_PULL_FAILED"],
      ["other-bytes", "IMAGE_CORRUPT"],
      ["unauthorized", "IMAGE_UNAUTHORIZED"],
    ];
    for (const [misbehaviour, code] of failures) {
      test(`a registry with '${misbehaviour}' is ${code} and leaves nothing`, async () => {
        assert.equal((await failure(`bad/${misbehaviour}`, misbehaviour)).code, code);
      });
    }

    test("for another architecture: says what it has", async () => {
      const error = await failure("bad/arch", "none", await fresh("s390x"));
      assert.equal(error.code, "IMAGE_WRONG_PLATFORM");
      assert.match(error.message, /linux\/s390x/);
    });

    test("an index: this host's image is taken, foreign ones are named", async () => {
      const [own, foreign] = [await fresh(), await fresh("s390x")];
      const type = "application/vnd.oci.image.index.v1+json";
      bad.serve(
        "multi/good",
        own,
        "none",
        blob(
          type,
          indexOf([
            { architecture: "s390x", image: foreign },
            { architecture: hostArchitecture, image: own },
          ]),
        ),
      );
      bad.serve("multi/bad", foreign, "none", blob(type, indexOf([{ architecture: "s390x", image: foreign }])));
      await withStore({}, async (store) => {
        assert.equal(unwrap(await store.ensure(`${bad.host}/multi/good:1`, "uid-m")).digest, own.manifest.digest);
        assert.deepEqual(unwrap(await store.inspect(`${bad.host}/multi/good:1`)).platforms, [
          "linux/s390x",
          `linux/${hostArchitecture}`,
        ]);
        const result = await store.ensure(`${bad.host}/multi/bad:1`, "uid-m");
        assert.equal(result.ok ? "pulled" : result.error.code, "IMAGE_WRONG_PLATFORM");
        unwrap(await store.release("uid-m"));
      });
    });

    test("not an image", async () => {
      const one = await fresh();
      const chart = blob("application/vnd.cncf.helm.config.v1+json", Buffer.from("{}"));
      const document = JSON.parse(one.manifest.bytes.toString()) as { config: object };
      const manifest = blob(
        one.manifest.mediaType,
        Buffer.from(
          JSON.stringify({ ...document, config: { mediaType: chart.mediaType, digest: chart.digest, size: 2 } }),
        ),
      );
      const error = await failure("bad/chart", "none", { ...one, config: chart, manifest });
      assert.equal(error.code, "IMAGE_CORRUPT");
      assert.match(error.message, /not an image/);
    });

    test("20 who want it at once pull it once", async () => {
      bad.serve("team/crowd", await fresh());
      await withStore({}, async (store) => {
        const owners = Array.from({ length: 20 }, (_, index) => `uid-crowd-${index}`);
        await Promise.all(owners.map(async (owner) => unwrap(await store.ensure(`${bad.host}/team/crowd:1`, owner))));
        assert.deepEqual(unwrap(await store.holders()), owners.toSorted());
        await Promise.all(owners.map((owner) => store.release(owner)));
      });
      assert.equal(bad.requests.filter((request) => request.includes("/team/crowd/manifests/1")).length, 1);
    });

    test("containerd killed in the middle of a pull: worth a retry, and the retry succeeds once it is back", async () => {
      const one = await fresh();
      bad.serve("team/killed", one, "hang");
      await withStore({ idleTimeoutMs: 1_000 }, async (store) => {
        const pulling = store.ensure(`${bad.host}/team/killed:1`, "uid-killed");
        while (!bad.requests.some((request) => request.includes(`team/killed/blobs/${one.layers[0]?.digest}`))) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        await daemon.kill("SIGKILL");
        const broken = await pulling;
        assert.ok(!broken.ok);
        assert.equal(broken.error.retry, "backoff");
        await daemon.start();
        bad.serve("team/killed", one);
        const deadline = performance.now() + 10_000;
        let again = await store.ensure(`${bad.host}/team/killed:1`, "uid-killed");
        while (!again.ok && performance.now() < deadline) {
          assert.equal(again.error.retry, "backoff");
          again = await store.ensure(`${bad.host}/team/killed:1`, "uid-killed");
        }
        unwrap(again);
        unwrap(await store.release("uid-killed"));
      });
    });

    test("a pull that is cancelled ends at once", async () => {
      bad.serve("team/slow", await fresh(), "hang");
      await withStore({ idleTimeoutMs: 60_000 }, async (store) => {
        const controller = new AbortController();
        const pulling = store.ensure(`${bad.host}/team/slow:1`, "uid-x", { signal: controller.signal });
        while (!bad.requests.some((request) => request.includes("team/slow/blobs")))
          await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const result = await pulling;
        assert.equal(result.ok ? "pulled" : result.error.code, "CANCELLED");
      });
    });
  });
}
