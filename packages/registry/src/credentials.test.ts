import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCredentials } from "./credentials.ts";

const auth = Buffer.from("me:pass:word").toString("base64");

test("finds a registry's entry, also under Docker Hub's old name", () => {
  const text = JSON.stringify({
    auths: { "https://index.docker.io/v1/": { auth }, "ghcr.io": { username: "u", password: "p" } },
  });
  assert.deepEqual(parseCredentials(text, "f", "docker.io"), { username: "me", password: "pass:word" });
  assert.deepEqual(parseCredentials(text, "f", "ghcr.io"), { username: "u", password: "p" });
  assert.equal(parseCredentials(text, "f", "example.org"), undefined);
});

test("a broken file's secrets are not in the error", () => {
  assert.throws(
    () => parseCredentials('{"auths": {"a": {"password": "hunter2" }', "/etc/creds", "a"),
    (error: Error) =>
      error.message.includes("/etc/creds") && !`${error.message}${String(error.cause)}`.includes("hunter2"),
  );
});
