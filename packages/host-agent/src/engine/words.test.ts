/** The small pure parts: differences between specs, tokens, retry verdicts, restart policy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCatalogue, FakeClock, PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import { defaultEngineConfig } from "./dependencies.ts";
import { judge, reasonOf } from "./failure.ts";
import { specOf, World } from "./fake-world/world.ts";
import { isUid, uidOfToken, uidSource, vmmToken } from "./identifiers.ts";
import { consequenceOf } from "./restart-policy.ts";
import { firstDifference } from "./spec-difference.ts";

test("a spec equals itself whatever the order of its keys, and the first difference is named", () => {
  const spec = specOf("one", { labels: { a: "1", b: "2" } });
  const reordered = Object.fromEntries(Object.entries({ ...spec, labels: { b: "2", a: "1" } }).reverse());
  assert.equal(firstDifference(spec, { ...spec, ...reordered }), undefined);
  assert.equal(firstDifference(spec, { ...spec, labels: { a: "1" } }), "labels.b");
  assert.equal(firstDifference(spec, { ...spec, kernel: { ...spec.kernel, image: "other" } }), "kernel.image");
  assert.equal(firstDifference(spec, { ...spec, additionalVolumes: [] }), "additionalVolumes");
  assert.equal(firstDifference(spec, { ...spec, initrd: { image: "i", filename: "f" } }), "initrd");
});

test("comparing is symmetric, and blind only to what is equal", () => {
  const values = fc.dictionary(fc.string(), fc.string());
  fc.assert(
    fc.property(values, values, (left, right) => {
      const a = specOf("one", { labels: left });
      const b = specOf("one", { labels: right });
      assert.equal(firstDifference(a, b), firstDifference(b, a));
      const same = JSON.stringify(Object.entries(left).sort()) === JSON.stringify(Object.entries(right).sort());
      assert.equal(firstDifference(a, b) === undefined, same);
    }),
  );
});

test("uids grow, also when the clock goes back, and are found again in tokens", () => {
  const clock = new FakeClock();
  const next = uidSource(clock, { bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
  const first = next();
  clock.jumpWall(-1_000_000);
  const second = next();
  assert.ok(isUid(first) && isUid(second) && first < second);
  const token = vmmToken("0123456789abcdef", first, 3);
  assert.equal(token, `lmvm.01234567.${first}.3`);
  assert.deepEqual([uidOfToken(token), uidOfToken("lmvm.x.y.1"), uidOfToken("")], [first, undefined, undefined]);
});

test("every error has a reason, a finite pause and a phase that is no dead end", async () => {
  const world = new World();
  const engine = await world.start();
  const created = await engine.create(specOf("one"));
  assert.ok(created.ok);
  for (const code of Object.keys(errorCatalogue) as (keyof typeof errorCatalogue)[]) {
    const error = new PlatformError(code, "what happened");
    assert.match(reasonOf(error), /^[A-Z][A-Za-z]+$/);
    const verdict = judge(created.value, error, defaultEngineConfig.retry, 0.5);
    assert.ok(verdict.delayMs > 0 && verdict.delayMs <= 450_000);
    assert.ok(verdict.phase === (error.retry === "backoff" ? "pending" : "failed"));
    assert.match(verdict.message, /^what happened; ./);
  }
  assert.equal(reasonOf(new PlatformError("IMAGE_NOT_FOUND", "")), "ImageNotFound");
});

test("the restart policy is a table", () => {
  const causes = ["requested", "powered-off", "rebooted", "panicked", "crashed", "hung", "lost"] as const;
  const row = (policy: "always" | "on-failure" | "never") => causes.map((cause) => consequenceOf(cause, policy));
  const [once, later, stay] = ["at-once", "with-backoff", "stay-stopped"];
  assert.deepEqual(row("always"), [once, later, once, later, later, later, once]);
  assert.deepEqual(row("on-failure"), [once, stay, once, later, later, later, once]);
  assert.deepEqual(row("never"), [once, stay, once, stay, stay, stay, once]);
});
