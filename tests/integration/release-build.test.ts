/** The release build: what is bundled does what the sources do. Bundling changes how packages are loaded, so each kind of loading is walked once. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

const root = join(import.meta.dirname, "../..");

describe("the release build", () => {
  let folder = "";
  const run = (program: string, ...args: readonly string[]): string =>
    execFileSync(process.execPath, [join(folder, "dist", `${program}.mjs`), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LM_CONFIG: join(folder, "config.yaml") },
    }).toString();

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "lm-release-"));
    execFileSync(process.execPath, [join(root, "tools/build/main.ts"), join(folder, "dist")], { stdio: "pipe" });
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test("lm reads and writes YAML", () => {
    const spec = join(folder, "spec.yaml");
    writeFileSync(spec, "id: web\nvcpu: 1\nkernel: {image: 'registry.local/kernel:1'}\n");
    const said = run("lm", "vm", "create", "-f", spec, "--image", "registry.local/root:1", "--dry-run");
    assert.match(said, /^id: web$/m);
    assert.match(said, /containerSource: registry.local\/root:1/);
  });

  test("lm merges a key into user data", () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsABgH5C9okWi0dh2l9GKJl test";
    const userData = join(folder, "user-data.yaml");
    writeFileSync(userData, "#cloud-config\nhostname: web\n");
    const said = run(
      "lm",
      ...["vm", "create", "web", "--kernel", "registry.local/kernel:1", "--image", "registry.local/root:1"],
      ...["--user-data", userData, "--ssh-key", key, "--dry-run", "-o", "json"],
    );
    const metadata = (JSON.parse(said) as { metadata: Record<string, string> }).metadata;
    const merged = Buffer.from(metadata["user-data"] ?? "", "base64").toString();
    assert.match(merged, /hostname: web/);
    assert.match(merged, /AAAAC3NzaC1lZDI1NTE5/);
  });

  test("lm carries the recipes and the files of guests", () => {
    const [recipe] = JSON.parse(run("lm", "image", "recipes", "-o", "json")) as { readonly path: string }[];
    assert.ok(recipe?.path.startsWith(join(folder, "dist/images/")), recipe?.path);
    assert.ok(readdirSync(join(folder, "dist/guest")).includes("tiny"));
  });

  test("flintlockd shows its version and configuration", () => {
    assert.match(run("flintlockd", "version"), /^flintlock \d+\.\d+\.\d+$/m);
    assert.match(run("flintlockd", "config", "show", "--origin", "--insecure"), /^insecure: true .*flag/m);
  });

  test("capmvm says its version, and what it lacks", () => {
    assert.match(run("capmvm", "--version"), /^capmvm \d+\.\d+\.\d+ \([0-9a-f]{40}\)$/m);
    assert.throws(() => run("capmvm"), { status: 2, message: /KUBERNETES_SERVICE_HOST/ });
  });
});
