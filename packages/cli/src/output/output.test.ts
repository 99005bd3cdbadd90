import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { painter } from "../program/terminal.ts";
import { StageRenderer } from "../progress/stages.ts";
import { renderFields } from "./print.ts";
import { type Column, renderTable } from "./table.ts";

interface Row {
  readonly name: string;
  readonly text: string;
}

const columns: readonly Column<Row>[] = [
  { header: "NAME", value: (row) => row.name },
  { header: "TEXT", value: (row) => row.text, elastic: true },
];

describe("tables", () => {
  test("columns are aligned, and end without blanks", () => {
    assert.equal(
      renderTable(
        [
          { name: "a", text: "x" },
          { name: "long", text: "" },
        ],
        columns,
      ),
      "NAME  TEXT\na     x\nlong\n",
    );
  });

  test("elastic columns are cut on a narrow terminal, and only there", () => {
    const rows = [{ name: "abc", text: "0123456789012345678901234567890" }];
    assert.equal(renderTable(rows, columns, { width: 20 }), "NAME  TEXT\nabc   0123456789012…\n");
    assert.match(renderTable(rows, columns), /0{0}0123456789012345678901234567890/);
  });

  test("control characters never reach the terminal", () => {
    assert.equal(renderTable([{ name: "\u001b[2Jx", text: "a\nb" }], columns, { header: false }), " [2Jx  a b\n");
  });
});

test("fields are aligned, empty ones left out", () => {
  assert.equal(
    renderFields([
      ["A", "1"],
      ["Long", "x\ny"],
      ["No", ""],
    ]),
    "A:     1\nLong:  x\n       y\n",
  );
});

describe("progress", () => {
  function renderer(live: boolean): { readonly stages: StageRenderer; readonly clock: FakeClock; text(): string } {
    const stream = new PassThrough();
    const clock = new FakeClock();
    let written = "";
    stream.on("data", (chunk: Buffer) => {
      written += chunk.toString();
    });
    return {
      stages: new StageRenderer({ stream, paint: painter(false), clock, live, quiet: false }),
      clock,
      text: () => written,
    };
  }

  test("plain lines where there is no terminal", async () => {
    const { stages, text } = renderer(false);
    await stages.run("Work", async (stage) => stage.update("half"));
    await assert.rejects(stages.run("More", () => Promise.reject(new Error("no"))));
    assert.equal(text(), "… Work\n  Work: half\n✓ Work  0.0 s\n… More\n✗ More  0.0 s\n");
  });

  test("a terminal is left clean", () => {
    const { stages, text } = renderer(true);
    stages.begin("Work");
    stages[Symbol.dispose]();
    assert.match(text(), /✗ Work \(not finished\) {2}0\.0 s\n$/);
  });
});
