import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { FakeCluster } from "../fake/index.ts";
import { RequestAuthorizer } from "./request-authorizer.ts";
import { RuntimeMetrics } from "./runtime-metrics.ts";
import { selfSignedCertificate } from "./self-signed-certificate.ts";

test("a self-signed certificate is one that programs can read", async () => {
  const now = Date.parse("2026-11-23T18:00:00Z");
  const { certificate, key } = await selfSignedCertificate("metrics", now);
  const read = new X509Certificate(certificate);
  assert.equal(read.subject, "CN=metrics");
  assert.ok(read.verify(read.publicKey));
  assert.ok(read.checkPrivateKey(createPrivateKey(key)));
  assert.match(read.subjectAltName ?? "", /localhost.*127\.0\.0\.1/);
  assert.equal(Date.parse(read.validFrom), Date.parse("2026-11-22T18:00:00Z"));
});

test("tokens and rights are asked of the API server, and the answers kept for a while", async () => {
  const clock = new FakeClock();
  const cluster = new FakeCluster({ clock });
  const asked: unknown[] = [];
  let allowed = true;
  cluster.onRequest((_method, path, body) => {
    const { spec } = body as { readonly spec: { readonly token?: string } };
    asked.push(path);
    if (!path.includes("tokenreviews")) return { status: { allowed } };
    return { status: spec.token === "good" ? { authenticated: true, user: { username: "prometheus" } } : {} };
  });
  const authorizer = new RequestAuthorizer(cluster.client(), clock);
  const ask = (header?: string) => authorizer.authorize(header, "get", "/metrics");
  assert.equal(await ask(), "unauthenticated");
  assert.equal(await ask("Basic x"), "unauthenticated");
  assert.equal(asked.length, 0);
  assert.equal(await ask("Bearer bad"), "unauthenticated");
  assert.equal(await ask("Bearer good"), "allowed");
  const before = asked.length;
  allowed = false;
  assert.equal(await ask("Bearer good"), "allowed");
  assert.equal(asked.length, before);
  await clock.advance(61_000);
  assert.equal(await ask("Bearer good"), "forbidden");
});

test("two runtimes in one process count apart", async () => {
  const [one, two] = [new RuntimeMetrics(), new RuntimeMetrics()];
  one.restRequests.inc({ code: "200", method: "GET", host: "h" });
  assert.match(await one.registry.metrics(), /rest_client_requests_total\{code="200",method="GET",host="h"\} 1/);
  assert.doesNotMatch(await two.registry.metrics(), /code="200"/);
});
