import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { defaultConfiguration, type PlatformConfiguration } from "@liquidmetal/platform";
import { command as up } from "../commands/platform/up.ts";
import { bindValues, parseCommandLine } from "../program/parse.ts";
import { configured } from "./choices.ts";

const chosen = (before: PlatformConfiguration, ...line: readonly string[]): PlatformConfiguration =>
  configured(before, parseCommandLine(up, bindValues(up, line)).flags);

describe("the choice of a management plane", () => {
  test("is none at first, and is kept once it was made", () => {
    assert.equal(chosen(defaultConfiguration).managementPlane, undefined);
    assert.equal(chosen(defaultConfiguration, "--no-management-plane").managementPlane, undefined);
    const with_ = chosen(defaultConfiguration, "--management-plane");
    assert.equal(with_.managementPlane, true);
    assert.equal(chosen(with_, "--egress").managementPlane, true);
  });

  test("is taken back by either way of saying no", () => {
    const before = { ...defaultConfiguration, managementPlane: true };
    assert.equal(chosen(before, "--no-management-plane").managementPlane, false);
    assert.equal(chosen(before, "--management-plane=false").managementPlane, false);
    assert.equal(chosen(before, "--management-plane=true").managementPlane, true);
    assert.throws(() => chosen(before, "--management-plane=perhaps"), /write true or false/);
  });
});
