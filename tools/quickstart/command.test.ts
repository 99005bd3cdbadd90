import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { must, plainEnvironment, root, run, typed } from "./command.ts";

const node = process.execPath;
const program = (text: string): readonly string[] => ["-e", text];
const never = new AbortController().signal;

describe("commands of the quickstart", () => {
  test("are shown as one would type them in the checkout", () => {
    assert.equal(typed(join(root, "bin/lm"), ["image", "list", "-o", "name"]), "bin/lm image list -o name");
    assert.equal(typed("kubectl", ["apply", "-f", join(root, "images/x.yaml")]), "kubectl apply -f images/x.yaml");
    assert.equal(
      typed("bin/lm", ["vm", "ssh", "hello", "--", "uname -a; id"]),
      "bin/lm vm ssh hello -- 'uname -a; id'",
    );
  });

  test("do not hear of other platforms and clusters", () => {
    assert.deepEqual(plainEnvironment({ PATH: "/bin", LM_KUBECONFIG: "x", LM_HOST: "y", KUBECONFIG: "z" }), {
      PATH: "/bin",
    });
  });

  test("give their output, and their progress line by line", async () => {
    const lines: string[] = [];
    const text = 'console.error("one\\n two"); console.log("out")';
    assert.equal(await must(node, program(text), { signal: never, onLine: (line) => lines.push(line) }), "out\n");
    assert.deepEqual(lines, ["one", "two"]);
  });

  test("fail with their own error, without the progress before it", async () => {
    const text = 'console.error("… working\\nerror: no room\\nhint:  make some"); process.exit(3)';
    await assert.rejects(must(node, program(text), { signal: never }), (error: Error) => {
      assert.match(error.message, /\nended with exit code 3: no room\nhint: {2}make some$/);
      assert.doesNotMatch(error.message, /… working\n/);
      return true;
    });
    await assert.rejects(must("/nowhere/at-all", [], { signal: never }), { code: "ENOENT" });
  });

  test("are told once to end, may end cleanly, and the reason is the caller's", async () => {
    const controller = new AbortController();
    const lines: string[] = [];
    const text =
      'process.on("SIGINT", () => { console.error("cleaned up"); process.exit(130); }); setInterval(() => {}, 1000); console.error("ready")';
    const onLine = (line: string): void => {
      lines.push(line);
      if (line === "ready") controller.abort(new Error("enough"));
    };
    await assert.rejects(run(node, program(text), { signal: controller.signal, onLine }), /enough/);
    assert.deepEqual(lines, ["ready", "cleaned up"]);
    await assert.rejects(async () => run(node, [], { signal: controller.signal }), /enough/);
  });
});
