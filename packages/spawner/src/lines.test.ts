import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineSplitter } from "./lines.ts";

describe("lines of messages", () => {
  it("come out whole, however they were cut", () => {
    const lines = new LineSplitter(100);
    const bytes = Buffer.from('{"a":"ü"}\n{"b":1}\n');
    const found = [...bytes].flatMap((byte) => lines.push(Buffer.from([byte])));
    assert.deepEqual(found, ['{"a":"ü"}', '{"b":1}']);
  });

  it("are bounded", () => {
    const lines = new LineSplitter(10);
    assert.deepEqual(lines.push(Buffer.from("0123456789\n")), ["0123456789"]);
    lines.push(Buffer.from("01234567"));
    assert.throws(() => lines.push(Buffer.from("890")), RangeError);
  });
});
