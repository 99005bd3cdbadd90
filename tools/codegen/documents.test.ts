/** Documents do not rot: their links lead somewhere, the commands they show are there, and every failure that lasts has its place in the runbooks. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { clusterConditions, machineConditions, machinePoolConditions } from "../../packages/capmvm/src/api/index.ts";
import { composeTemplates } from "../../packages/cli/src/cluster/template/compose-templates.ts";
import { templateVariables } from "../../packages/cli/src/cluster/template/fill-in.ts";
import { isFailure } from "../../packages/cli/src/cluster/tree/standing.ts";
import { aliases, allCommands } from "../../packages/cli/src/commands/catalogue.ts";
import { flagsOf } from "../../packages/cli/src/program/flag.ts";
import { type Programs, unknownCommands } from "./document-commands.ts";
import { brokenLinks } from "./document-links.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** Tracked ones, and those that are not there yet; history may name what was. */
const documents = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"], {
  cwd: root,
})
  .toString()
  .split("\0")
  .filter((file) => file !== "" && file !== "CHANGELOG.md");

const manifest = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };

const programs: Programs = {
  aliases,
  scripts: new Set(Object.keys(manifest.scripts)),
  commands: (await allCommands()).map((command) => ({
    path: command.path,
    flags: new Set(flagsOf(command).map(({ name }) => name)),
    passThrough: command.passThrough === true,
  })),
};

describe("the documents", () => {
  for (const file of documents) {
    test(`${file} links to what is there, and shows commands that are there`, () => {
      const text = read(file);
      assert.deepEqual([...brokenLinks(root, file, text), ...unknownCommands(programs, file, text)], []);
    });
  }

  test("are all found from docs/README.md", () => {
    const index = read("docs/README.md");
    const own = documents.filter((file) => /^docs\/[^/]+\.md$|^docs\/(guide|runbooks)\//.test(file));
    const missing = own.filter((file) => file !== "docs/README.md" && !index.includes(`](${file.slice(5)}`));
    assert.deepEqual(missing, []);
  });

  test("name every variable of the templates, and no other", async () => {
    const ofClusterctl = ["CLUSTER_NAME", "NAMESPACE", "KUBERNETES_VERSION"];
    ofClusterctl.push("CONTROL_PLANE_MACHINE_COUNT", "WORKER_MACHINE_COUNT");
    const templates = [...(await composeTemplates(root)).values()];
    const all = new Set(templates.flatMap((text) => templateVariables(text).map(({ name }) => name)));
    const [, section = ""] = read("docs/capmvm.md").split("### Variables");
    const rows = [...(section.split("\n## ")[0] ?? "").matchAll(/^\| (`[^|]+`) +\|/gm)];
    const told = rows.flatMap(([, cell = ""]) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = ""]) => name));
    assert.deepEqual(told.toSorted(), [...all].filter((name) => !ofClusterctl.includes(name)).toSorted());
  });

  test("tell in the runbooks what to do about every reason that lasts until somebody does something", () => {
    const runbooks = documents.filter((file) => file.startsWith("docs/runbooks")).map(read);
    const reasons = [clusterConditions, machineConditions, machinePoolConditions].flatMap((table) =>
      Object.values(table).flatMap((condition) => Object.keys(condition.reasons)),
    );
    const lasting = [...new Set(reasons)].filter(isFailure);
    assert.ok(lasting.length > 20, `${lasting.length} reasons`);
    assert.deepEqual(
      lasting.filter((reason) => !runbooks.some((text) => text.includes(`\`${reason}\``))),
      [],
    );
  });
});

describe("a link", () => {
  const found = (text: string): readonly string[] => brokenLinks(root, "docs/sample.md", text);

  test("to a file, a folder, a heading or the web is right", () => {
    assert.deepEqual(
      found(
        "[a](errors.md) [b](../README.md) [c](../deploy/systemd/) [d](cli.md#lm-vm-create) [e](https://example.org/x)",
      ),
      [],
    );
  });

  test("to nothing, to no heading, or out of the project is told with its line", () => {
    assert.deepEqual(found("\n[a](nothing.md) [b](cli.md#nothing)\n[c](../../etc/passwd)"), [
      "docs/sample.md:2: nothing.md leads nowhere",
      "docs/sample.md:2: cli.md#nothing leads nowhere",
      "docs/sample.md:3: ../../etc/passwd leads nowhere",
    ]);
  });

  test("in code is none", () => {
    assert.deepEqual(found("`[a](nothing.md)`\n```\n[a](nothing.md)\n```"), []);
  });
});

describe("a command in a document", () => {
  const found = (text: string): readonly string[] => unknownCommands(programs, "a.md", text);
  const block = (...lines: string[]): string => ["```console", ...lines, "```"].join("\n");

  test("that is there is right, with its flags, behind other words, through an alias, as a noun alone", () => {
    const lines = [
      "$ sudo LM_HOST=a bin/lm vm ls --host unix:/x -o json | jq .",
      "lm cluster create demo \\",
      "  --worker-count 2 --wait",
      "flintlockd run --network-shared=10.0.0.0/8",
      "lm vm ssh web -- ls --color",
      "lm image --help && npm run quickstart -- --down",
    ];
    assert.deepEqual(found(`${block(...lines)}\n\`lm vm list\` and \`lm up\` and lm frobnicate in prose`), []);
  });

  test("that is not there is told", () => {
    assert.deepEqual(found("\n`lm frobnicate` `bin/lm vm explode NAME`"), [
      "a.md:2: there is no 'lm frobnicate'",
      "a.md:2: there is no 'lm vm explode'",
    ]);
    assert.deepEqual(found(block("npm run nonsense")), ["a.md:2: there is no 'npm run nonsense'"]);
  });

  test("with a flag that it has not is told, whichever program it is", () => {
    assert.deepEqual(found(block("lm up --colour", "flintlockd run --speed=high", "capmvm --leader")), [
      "a.md:2: 'lm up' has no --colour",
      "a.md:2: 'flintlockd run' has no --speed",
      "a.md:2: 'capmvm' has no --leader",
    ]);
  });
});
