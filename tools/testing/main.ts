/**
 * `npm test`: everything that can be tested on this machine, tier by tier. `npm test -- unit crash` runs the named tiers only.
 * `npm run test:images` (tier `images`) builds and boots every image; with `-- --cold` from an empty cache, which is removed afterwards.
 * `npm run test:long` (tier `long`) runs clusters for an hour or two: several control planes, upgrades, rounds of making and deleting.
 *
 * The last line says `N passed, N failed, N skipped`. Fails when anything failed and when no test ran. What a tier needs from the system is installed
 * first; a tier or test that cannot run here says so on a line of its own. Ctrl-C ends the tests, with all that they started.
 */
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { prepareImages } from "./image-preparation.ts";
import { prepare } from "./preparation.ts";
import { runTier } from "./run-tier.ts";
import { type Tier, tiers } from "./tiers.ts";

const root = join(import.meta.dirname, "../..");
process.chdir(root);

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function chosenTiers(names: readonly string[]): readonly Tier[] {
  const unknown = names.filter((name) => !tiers.some((tier) => tier.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `error: no such tier: ${unknown.join(", ")}\nhint:  there are ${tiers.map((tier) => tier.name).join(", ")}\n`,
    );
    process.exit(2);
  }
  if (names.length === 0) return tiers.filter((tier) => tier.onlyWhenNamed !== true);
  return tiers.filter((tier) => names.includes(tier.name));
}

function filesOf({ globs, except = [] }: Tier): readonly string[] {
  return [...new Set(globs.flatMap((glob) => globSync(glob, { exclude: except }).sort()))];
}

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (!interruption.signal.aborted) process.stderr.write(`${signal}: ending the tests and what they started\n`);
    interruption.abort();
  });
}

const total = { passed: 0, failed: 0, skipped: 0 };
const words = process.argv.slice(2);
const chosen = chosenTiers(words.filter((word) => word !== "--cold"));
const cold = words.includes("--cold") ? mkdtempSync(join(tmpdir(), "lm-cold-")) : undefined;
if (cold !== undefined) {
  process.env["XDG_CACHE_HOME"] = cold;
  // Go keeps what it compiled in a cache of its own, which would warm ours.
  process.env["GOCACHE"] = join(cold, "go-build");
  say(`with an empty cache in ${cold}, removed afterwards`);
}
say(
  `testing on ${availableParallelism()} processors, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
for (const tier of chosen) {
  if (interruption.signal.aborted) break;
  const files = filesOf(tier);
  if (files.length === 0) continue;
  const obstacle = await prepare(tier.needs, say);
  if (obstacle !== undefined) {
    say(`✘ tier ${tier.name}: ${obstacle}`);
    total.failed += 1;
    continue;
  }
  for (const failure of await prepareImages(tier.images, say, interruption.signal)) {
    say(`✘ tier ${tier.name}: ${failure}`);
    total.failed += 1;
  }
  const outcome = await runTier(tier, files, say, interruption.signal);
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
}
if (cold !== undefined) rmSync(cold, { recursive: true, force: true, maxRetries: 5 });
if (interruption.signal.aborted) say("interrupted: not all tests ran");
say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(interruption.signal.aborted ? 130 : total.failed > 0 || total.passed === 0 ? 1 : 0);
