/** `base/debian-12` from a cold cache, against plain mmdebstrap of the same packages into a tar. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { distribution, round } from "../measure/distribution.ts";
import { buildOnce, rounds, type Say, workFolder } from "./building.ts";
import { type Took, timed } from "./timed-command.ts";

export async function measureDebianBase(say: Say): Promise<Record<string, unknown>> {
  const folder = workFolder();
  const cacheDirectory = join(folder, "cache");
  const ours: Took[] = [];
  const plain: Took[] = [];
  let packages: readonly string[] = [];
  for (let turn = -1; turn < rounds; turn += 1) {
    rmSync(cacheDirectory, { recursive: true, force: true });
    const built = await buildOnce({ request: { recipe: "base/debian-12", cacheDirectory }, outputs: [] });
    packages = built.debianPackages;
    const tar = join(folder, "plain.tar");
    const include = packages.map((one) => one.replace(/=.*/, "")).join(",");
    const bootstrapped = await timed([
      "mmdebstrap",
      "--quiet",
      "--variant=minbase",
      `--include=${include}`,
      "bookworm",
      tar,
    ]);
    rmSync(tar);
    say(
      `${turn < 0 ? "warm-up" : `turn ${turn + 1}`}: ours ${round(built.wallMs)} ms, mmdebstrap ${round(bootstrapped.wallMs)} ms`,
    );
    if (turn < 0) continue;
    ours.push(built);
    plain.push(bootstrapped);
  }
  const median = (all: readonly Took[], what: keyof Took): number => distribution(all.map((one) => one[what])).p50;
  const ratio = round(median(ours, "wallMs") / median(plain, "wallMs"));
  const processorRatio = round(median(ours, "cpuMs") / median(plain, "cpuMs"));
  say(`ratio of medians ${ratio} (goal: at most 1.2); of processor time ${processorRatio}`);
  return {
    packages: packages.length,
    oursMs: distribution(ours.map(({ wallMs }) => wallMs)),
    mmdebstrapMs: distribution(plain.map(({ wallMs }) => wallMs)),
    ratio,
    processorRatio,
  };
}
