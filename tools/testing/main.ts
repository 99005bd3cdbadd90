/**
 * `npm test`: everything that can be tested on this machine, tier by tier. `npm test -- unit crash` runs the named tiers only.
 *
 * The last line says `N passed, N failed, N skipped`. Fails when anything failed and when no test ran.
 * Whatever a tier needs from the system is installed first; a tier or test that cannot run here says so on a line of its own.
 */
import { globSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { installPackages, missingPackages } from "../setup/system-packages.ts";
import { runTier, type TierOutcome } from "./run-tier.ts";
import { type Tier, tiers } from "./tiers.ts";

const root = join(import.meta.dirname, "../..");
process.chdir(root);

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function chosenTiers(names: readonly string[]): readonly Tier[] {
  const unknown = names.filter((name) => !tiers.some((tier) => tier.name === name));
  if (unknown.length > 0) {
    say(`no such tier: ${unknown.join(", ")}; there are: ${tiers.map((tier) => tier.name).join(", ")}`);
    process.exit(2);
  }
  return names.length === 0 ? tiers : tiers.filter((tier) => names.includes(tier.name));
}

const total = { passed: 0, failed: 0, skipped: 0 };
const count = (outcome: TierOutcome): void => {
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
};

say(`testing on ${cpus().length} processors, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`);
for (const tier of chosenTiers(process.argv.slice(2))) {
  const files = globSync([...tier.globs]).sort();
  if (files.length === 0) continue;
  const missing = missingPackages(tier.needs);
  if (missing.length > 0) {
    try {
      await installPackages(missing.map((entry) => entry.name));
    } catch (error) {
      say(`✘ tier ${tier.name}: ${error instanceof Error ? error.message : String(error)}`);
      total.failed += 1;
      continue;
    }
  }
  count(await runTier(tier, files, say));
}
say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
