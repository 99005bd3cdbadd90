import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { allCommands, catalogue } from "../commands/catalogue.ts";
import { flagsOf } from "../program/flag.ts";
import { commandHelp } from "../program/help.ts";
import { helpFor } from "../program/help-topics.ts";
import { completionScript } from "./completion.ts";
import { referencePage } from "./markdown.ts";

const root = join(import.meta.dirname, "../../../..");

describe("the commands, as they are declared", async () => {
  const commands = await allCommands();

  test("stand in the catalogue under their own path", () => {
    assert.deepEqual(
      commands.map((command) => command.path.join(" ")),
      Object.keys(catalogue),
    );
  });

  test("have no flag twice, and none that hides a global one unless it says so", () => {
    for (const command of commands) {
      const flags = flagsOf(command);
      const names = flags.map((flag) => flag.name);
      const shorts = flags.flatMap((flag) => (flag.short === undefined ? [] : [flag.short]));
      assert.equal(new Set(names).size, names.length, command.path.join(" "));
      assert.equal(new Set(shorts).size, shorts.length, command.path.join(" "));
    }
  });

  test("docs/cli.md is current (lm _reference > docs/cli.md)", () => {
    assert.equal(readFileSync(join(root, "docs/cli.md"), "utf8"), referencePage(commands));
  });

  test("help names every flag", async () => {
    for (const command of commands)
      for (const flag of command.flags) assert.ok(commandHelp(command).includes(`--${flag.name}`));
    assert.match(await helpFor(""), /lm vm create/);
    assert.doesNotMatch(await helpFor(""), /_complete/);
    assert.match(await helpFor("vm"), /lm vm ssh NAME/);
    await assert.rejects(helpFor("nothing"));
  });

  test("completion scripts are valid, and complete", () => {
    const script = completionScript("bash", commands);
    execFileSync("bash", ["-n"], { input: script });
    const complete = (line: string): readonly string[] => {
      const words = line.split(" ");
      const program = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _lm; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", program]).toString().trim().split("\n");
    };
    assert.deepEqual(complete("lm vm des"), ["describe"]);
    assert.ok(complete("lm ").includes("doctor"));
    assert.deepEqual(complete("lm vm create --mem"), ["--memory"]);
    assert.deepEqual(complete("lm vm list --output j"), ["json"]);
    assert.deepEqual(complete("lm completion z"), ["zsh"]);
    assert.match(completionScript("zsh", commands), /^#compdef lm/);
    assert.match(completionScript("fish", commands), /-a describe/);
  });
});
