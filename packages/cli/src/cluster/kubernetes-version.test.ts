import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compareVersions, parseVersion, upgradeObstacle, versionText } from "./kubernetes-version.ts";

describe("versions of Kubernetes", () => {
  test("in order", () => {
    const ordered = [
      "v1.35.9",
      "v1.36.0-alpha.2",
      "v1.36.0-alpha.10",
      "v1.36.0-rc.1",
      "v1.36.0",
      "v1.36.3",
      "v1.36.10",
      "v2.0.0",
    ];
    const parsed = ordered.map((text) => parseVersion(text));
    for (let index = 1; index < parsed.length; index += 1) {
      const [older, newer] = [parsed[index - 1], parsed[index]];
      assert.ok(older !== undefined && newer !== undefined);
      assert.ok(compareVersions(older, newer) < 0, `${ordered[index - 1]} < ${ordered[index]}`);
      assert.ok(compareVersions(newer, older) > 0);
      assert.equal(compareVersions(newer, newer), 0);
    }
  });

  test("what is none", () => {
    for (const text of ["", "1.36", "v1.36", "latest", "v01.2.3", "v1.2.3 ", "v1.2.3-", "v1.2.3\n"])
      assert.equal(parseVersion(text), undefined, text);
    assert.throws(() => versionText("1.36"), /as in v1\.36\.3|no version/);
    assert.equal(versionText("1.36.3"), "v1.36.3");
  });

  const steps: readonly [string, string, RegExp | undefined][] = [
    ["v1.35.6", "v1.36.3", undefined],
    ["v1.36.3", "v1.36.3", undefined],
    ["v1.36.3", "v1.36.4", undefined],
    ["v1.36.0-rc.1", "v1.36.0", undefined],
    ["v1.34.9", "v1.36.3", /more than one minor version: go to v1\.35 first/],
    ["v1.36.3", "v1.36.2", /older/],
    ["v1.36.0", "v1.36.0-rc.1", /older/],
    ["v1.36.3", "v1.35.9", /older/],
    ["v1.36.3", "v2.0.0", /major/],
    ["v1.36.3", "next", /no version/],
    ["", "v1.36.3", /cannot be read/],
  ];
  for (const [from, to, why] of steps) {
    test(`${from || "nothing"} → ${to}: ${why === undefined ? "goes" : "does not go"}`, () => {
      const obstacle = upgradeObstacle(from, to);
      if (why === undefined) assert.equal(obstacle, undefined);
      else assert.match(obstacle ?? "", why);
    });
  }
});
