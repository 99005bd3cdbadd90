import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChallenge } from "./authorization.ts";

test("challenges of real registries", () => {
  assert.deepEqual(
    parseChallenge(
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    ),
    {
      scheme: "bearer",
      parameters: {
        realm: "https://auth.docker.io/token",
        service: "registry.docker.io",
        scope: "repository:a/b:pull,push",
      },
    },
  );
  assert.deepEqual(parseChallenge('Basic realm="x"'), { scheme: "basic", parameters: {} });
  assert.equal(parseChallenge('Basic realm="x", Bearer realm="https://t"')?.scheme, "bearer");
  assert.equal(parseChallenge("Negotiate"), undefined);
  assert.equal(parseChallenge(""), undefined);
});
