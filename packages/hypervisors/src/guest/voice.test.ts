import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { agentUtterance, consoleUtterance, GuestLines } from "./voice.ts";

describe("the guest's voice", () => {
  it("hears the ready mark on the console, with and without addresses", () => {
    assert.deepEqual(consoleUtterance("liquidmetal: ready"), { kind: "ready", addresses: [] });
    const line = "[  2.1] liquidmetal: ready addresses=10.0.0.5,fd00::5,nonsense";
    assert.deepEqual(consoleUtterance(line), { kind: "ready", addresses: ["10.0.0.5", "fd00::5"] });
    assert.equal(consoleUtterance("liquidmetal: almost ready"), undefined);
  });

  it("hears a kernel panic", () => {
    const line = "[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs";
    assert.deepEqual(consoleUtterance(line), { kind: "panicked", message: "VFS: Unable to mount root fs" });
  });

  it("hears the agent, and ignores what is malformed", () => {
    const line = '{"event":"ready","addresses":["10.0.0.5/24","10.0.0.5",7,"x"]}';
    assert.deepEqual(agentUtterance(line), { kind: "ready", addresses: ["10.0.0.5"] });
    for (const wrong of ["", "{", "null", "7", '{"event":"other"}', '{"addresses":["10.0.0.5"]}']) {
      assert.equal(agentUtterance(wrong), undefined);
    }
    assert.deepEqual(agentUtterance('{"event":"addresses","addresses":"10.0.0.5"}'), { kind: "ready", addresses: [] });
  });

  it("finds the same lines however they are cut", () => {
    const line = fc.string({ unit: fc.constantFrom(..."abc: =.,"), minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(30), { maxLength: 40 }), (lines, cuts) => {
        let rest = Buffer.from(lines.map((one) => `${one}\r\n`).join(""));
        const reader = new GuestLines();
        const found: string[] = [];
        for (const cut of cuts) {
          found.push(...reader.push(rest.subarray(0, cut)));
          rest = rest.subarray(cut);
        }
        found.push(...reader.push(rest));
        assert.deepEqual(found, lines);
      }),
    );
  });

  it("does not keep a line without end", () => {
    const reader = new GuestLines();
    for (let count = 0; count < 100; count++) assert.deepEqual(reader.push(Buffer.alloc(10_000, 97)), []);
    const [line] = reader.push(Buffer.from("\n"));
    assert.equal(line?.length, 4_096);
  });
});
