import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { command as create } from "../commands/vm/create.ts";
import { command as list } from "../commands/vm/list.ts";
import { command as ssh } from "../commands/vm/ssh.ts";
import { age, elapsed, parseDurationMs } from "./duration.ts";
import { bindValues, parseCommandLine } from "./parse.ts";
import { resolveCommand } from "./resolve.ts";
import { parseMiB, readableBytes } from "./size.ts";
import { suggestion } from "./suggestion.ts";

const parse = (command: typeof create, line: readonly string[]) => parseCommandLine(command, bindValues(command, line));

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof PlatformError && error.kind === "invalid" && pattern.test(`${error.message} ${error.remedy}`);
}

describe("which command is meant", () => {
  const rows: readonly [string, string, string][] = [
    ["vm list -A", "vm list", "-A"],
    ["--host h:1 vm list", "vm list", "--host h:1"],
    ["-o json vm get web", "vm get", "-o json web"],
    ["vm --quiet list", "vm list", "--quiet"],
    ["status", "status", ""],
    ["vm ls", "vm list", ""],
    ["vm rm web", "vm delete", "web"],
    ["vm ssh web -- vm list", "vm ssh", "web -- vm list"],
  ];
  for (const [line, path, rest] of rows) {
    test(line, () => {
      const resolved = resolveCommand(line.split(" "));
      assert.equal(resolved.path, path);
      assert.deepEqual(resolved.rest.join(" "), rest);
      assert.equal(resolved.help, false);
    });
  }

  test("a noun alone asks for help", () =>
    assert.deepEqual(resolveCommand(["vm"]), { path: "vm", rest: [], help: true }));
  test("a slip gets a suggestion", () => {
    assert.throws(() => resolveCommand(["vm", "lsit"]), refused(/did you mean 'lm vm list'/));
    assert.throws(() => resolveCommand(["stauts"]), refused(/did you mean 'lm status'/));
    assert.throws(() => resolveCommand(["toString"]), refused(/no command/));
  });
});

describe("flags", () => {
  test("repeatable, with values that hold commas and equal signs", () => {
    const { flags, positionals } = parse(create, [
      "web",
      "--label",
      "a=b=c",
      "-l",
      "d=e",
      "--network",
      "static=10.0.0.2/24,gateway=10.0.0.1",
    ]);
    assert.deepEqual(positionals, ["web"]);
    assert.deepEqual(flags.list("label"), ["a=b=c", "d=e"]);
    assert.deepEqual(flags.list("network"), ["static=10.0.0.2/24,gateway=10.0.0.1"]);
    assert.deepEqual(flags.list("volume"), []);
  });

  test("an optional value binds by = only", () => {
    assert.deepEqual(parse(create, ["--wait", "web"]).positionals, ["web"]);
    assert.equal(parse(create, ["--wait", "web"]).flags.text("wait"), "true");
    assert.equal(parse(create, ["web", "--wait=running"]).flags.text("wait"), "running");
    assert.equal(parse(create, ["web"]).flags.given("wait"), false);
  });

  test("negative switches", () => {
    assert.equal(parse(list, ["--no-color"]).flags.on("no-color"), true);
    assert.equal(parse(list, []).flags.on("no-color"), false);
  });

  test("what follows -- is left alone", () => {
    assert.deepEqual(parse(ssh, ["web", "--", "ls", "-l", "--all"]).positionals, ["web", "ls", "-l", "--all"]);
    assert.deepEqual(parse(ssh, ["web", "--platform", "p", "--", "ls", "--platform"]).positionals, [
      "web",
      "ls",
      "--platform",
    ]);
  });

  test("what is wrong is told", () => {
    assert.throws(
      () => parse(create, ["web", "--memry", "1G"]),
      refused(/unknown option '--memry'; did you mean --memory/),
    );
    assert.throws(() => parse(create, ["web", "more"]), refused(/too many arguments/));
    assert.throws(() => parse(list, ["-o", "xml"]), refused(/Allowed choices are table/));
    assert.throws(() => parse(create, ["web", "--memory"]), refused(/argument missing/));
    assert.throws(
      () => parse(create, ["web", "--vcpu", "two"]).flags.integer("vcpu", { min: 1, max: 8 }),
      refused(/whole number from 1 to 8/),
    );
    assert.throws(() => parse(create, ["web", "--timeout", "soon"]).flags.durationMs("timeout"), refused(/duration/));
  });

  test("asking for a flag that is not declared is a defect", () => {
    assert.throws(() => parse(list, []).flags.text("memory"), /not declared/);
  });
});

describe("units", () => {
  test("durations", () => {
    const rows: readonly [string, number | undefined][] = [
      ["90s", 90_000],
      ["5m", 300_000],
      ["1h30m", 5_400_000],
      ["500ms", 500],
      ["2.5s", 2_500],
      ["30", 30_000],
      ["", undefined],
      ["5 m", undefined],
      ["-5m", undefined],
      ["5y", undefined],
    ];
    for (const [text, expected] of rows) assert.equal(parseDurationMs(text), expected, text);
    assert.equal(elapsed(12_345), "12.3 s");
    assert.equal(elapsed(125_000), "2 min 5 s");
    assert.equal(age(59_000), "59s");
    assert.equal(age(3 * 86_400_000), "3d");
  });

  test("sizes", () => {
    const rows: readonly [string, number | undefined][] = [
      ["512", 512],
      ["512M", 512],
      ["512MiB", 512],
      ["2g", 2_048],
      ["1.5G", 1_536],
      ["1T", 1_048_576],
      ["0.3M", undefined],
      ["12K", undefined],
      ["-1G", undefined],
      ["", undefined],
      ["9999999999G", undefined],
    ];
    for (const [text, expected] of rows) assert.equal(parseMiB(text), expected, text);
    assert.equal(readableBytes(0), "0 B");
    assert.equal(readableBytes(1_536), "1.5 KiB");
    assert.equal(readableBytes(2 ** 30), "1 GiB");
  });

  test("suggestions are near, or none", () => {
    assert.equal(suggestion("memory_in_bm", ["memory_in_mb", "vcpu"]), "memory_in_mb");
    assert.equal(suggestion("zzzzzz", ["memory", "vcpu"]), undefined);
  });
});
