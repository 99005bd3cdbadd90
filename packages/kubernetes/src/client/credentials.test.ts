import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import type { ClusterConfiguration, ExecPlugin } from "./cluster-configuration.ts";
import { Credentials } from "./credentials.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-credentials-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const configuration = { server: "https://cluster", namespace: "default" };

test("a token file is read again when it was replaced, at the latest after a few seconds, at once when asked", async () => {
  const clock = new FakeClock();
  const file = join(directory, "token");
  const credentials = new Credentials({ ...configuration, token: { file } }, clock);
  await assert.rejects(credentials.current(), { code: "KUBECONFIG_INVALID", message: /token cannot be read/ });
  await writeFile(file, "one\n");
  const one = await credentials.current(true);
  assert.equal(one.headers["authorization"], "Bearer one");
  await writeFile(`${file}.new`, "two");
  await rename(`${file}.new`, file);
  assert.equal((await credentials.current()).headers["authorization"], "Bearer one");
  await clock.advance(5_000);
  assert.equal((await credentials.current()).headers["authorization"], "Bearer two");
  await rm(file);
  assert.equal((await credentials.current(true)).headers["authorization"], "Bearer two", "while it is away");
  await writeFile(file, "three!");
  const three = await credentials.current(true);
  assert.equal(three.headers["authorization"], "Bearer three!");
  assert.equal(three.tlsIdentity, one.tlsIdentity, "a token needs no new connections");
});

test("new roots make another identity of connections", async () => {
  const file = join(directory, "ca.pem");
  await writeFile(file, "roots");
  const credentials = new Credentials({ ...configuration, certificateAuthority: { file } }, new FakeClock());
  const before = await credentials.current();
  await writeFile(file, "other roots");
  const after = await credentials.current(true);
  assert.deepEqual([before.ca, after.ca], ["roots", "other roots"]);
  assert.notEqual(before.tlsIdentity, after.tlsIdentity);
});

test("acting as another, with a password", async () => {
  const impersonate = { user: "jane", groups: ["a", "b"], extra: { "x/y": ["z"] } };
  const basic = { username: "me", password: "p" };
  const { headers } = await new Credentials({ ...configuration, impersonate, basic }, new FakeClock()).current();
  assert.deepEqual(headers, {
    authorization: "Basic bWU6cA==",
    "impersonate-user": "jane",
    "impersonate-group": ["a", "b"],
    "impersonate-extra-x%2Fy": ["z"],
  });
});

test("a plugin runs once for many, again before its credential ends, and again when the server says no", async () => {
  const clock = new FakeClock(Date.parse("2026-01-01T00:00:00Z"));
  const credentials = await withPlugin(
    `echo run >> "$0.runs"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t%s-%s","expirationTimestamp":"2026-01-01T01:00:00Z"}}' "$(wc -l < "$0.runs")" "$NAME"`,
    clock,
  );
  const tokens = await Promise.all([credentials.current(), credentials.current()]);
  assert.deepEqual(
    tokens.map(({ headers }) => headers["authorization"]),
    ["Bearer t1-value", "Bearer t1-value"],
  );
  await clock.advance(3_580_000);
  assert.equal((await credentials.current()).headers["authorization"], "Bearer t1-value");
  await credentials.current(true);
  await clock.advance(11_000);
  assert.equal((await credentials.current()).headers["authorization"], "Bearer t3-value");
  assert.equal((await readFile(join(directory, "plugin.runs"), "utf8")).split("\n").length, 4);
});

const failures: readonly (readonly [what: string, script: string, message: RegExp])[] = [
  ["it fails", "echo no login >&2; exit 3", /plugin failed: no login/],
  ["it prints nothing", "exit 0", /did not print an ExecCredential/],
  [
    "another version",
    print({ token: "t" }, "client.authentication.k8s.io/v1beta1"),
    /v1beta1, but the kubeconfig wants/,
  ],
  ["half a certificate", print({ clientKeyData: "k" }), /go together/],
  ["no credential", print({}), /neither a token nor a certificate/],
];

for (const [what, script, message] of failures) {
  test(`a plugin that does not work is named: ${what}`, async () => {
    const credentials = await withPlugin(script, new FakeClock());
    await assert.rejects(credentials.current(), { code: "KUBERNETES_UNAUTHENTICATED", message, remedy: "install it" });
  });
}

function print(status: object, apiVersion = "client.authentication.k8s.io/v1"): string {
  return `echo '${JSON.stringify({ apiVersion, kind: "ExecCredential", status })}'`;
}

async function withPlugin(script: string, clock: FakeClock): Promise<Credentials> {
  const command = join(directory, "plugin");
  await writeFile(command, `#!/bin/sh\n${script}\n`);
  await chmod(command, 0o755);
  const exec: ExecPlugin = {
    apiVersion: "client.authentication.k8s.io/v1",
    command,
    args: [],
    env: { NAME: "value" },
    provideClusterInfo: true,
    installHint: "install it",
  };
  const withExec: ClusterConfiguration = { ...configuration, exec };
  return new Credentials(withExec, clock);
}
