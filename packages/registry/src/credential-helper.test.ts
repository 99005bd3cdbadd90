import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { credentialsFor } from "./credentials.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-helper-"));
});
after(async () => {
  await rm(directory, { recursive: true });
});

async function helper(name: string, script: string): Promise<string> {
  const file = join(directory, `docker-credential-${name}`);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  const config = join(directory, `${name}.json`);
  await writeFile(config, JSON.stringify({ auths: { "example.org": {} }, credHelpers: { "example.org": name } }));
  return config;
}

const ask = (config: string, registry = "example.org"): ReturnType<typeof credentialsFor> =>
  credentialsFor(registry, config, {
    helpers: true,
    helperPath: `${directory}${delimiter}${process.env["PATH"] ?? ""}`,
  });

test("a helper is asked for its registry only, and only when that is allowed", async () => {
  const config = await helper(
    "good",
    `read server; echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"u\\",\\"Secret\\":\\"for $server\\"}"`,
  );
  assert.deepEqual(await ask(config), { username: "u", password: "for example.org" });
  assert.equal(await ask(config, "other.example.org"), undefined);
  assert.equal(await credentialsFor("example.org", config), undefined);
});

test("identity tokens, and registries that the helper does not know", async () => {
  const token = await helper("token", `echo '{"Username":"<token>","Secret":"abc"}'`);
  assert.deepEqual(await ask(token), { username: "", password: "", identityToken: "abc" });
  const unknown = await helper("unknown", "echo 'credentials not found in native keychain'; exit 1");
  assert.equal(await ask(unknown), undefined);
});

test("a helper that fails is named, and nothing that it printed is in the error", async () => {
  const config = await helper("bad", "echo hunter2; exit 3");
  await assert.rejects(
    ask(config),
    (error: Error) => /'bad' did not help: it ended with 3/.test(error.message) && !error.message.includes("hunter2"),
  );
  const missing = join(directory, "missing.json");
  await writeFile(missing, JSON.stringify({ credsStore: "nowhere" }));
  await assert.rejects(ask(missing), {
    code: "IMAGE_UNAUTHORIZED",
    message: /docker-credential-nowhere is not installed/,
  });
  await writeFile(missing, JSON.stringify({ credsStore: "../../bin/sh" }));
  await assert.rejects(ask(missing), { code: "IMAGE_UNAUTHORIZED", message: /no name of a helper/ });
});
