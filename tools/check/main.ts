/**
 * `npm run check`: the inner loop. Types, lint, fences, house rules and unit tests, all at once, under 30 seconds.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { houseRules } from "./house-rules.ts";

const root = join(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

function command(name: string, program: string, args: readonly string[]): Promise<Outcome> {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const end = (ok: boolean): void => resolve({ name, ok, seconds: (performance.now() - started) / 1_000, output });
    child.on("error", (error) => {
      output += `${error.message}\n`;
      end(false);
    });
    child.on("close", (code) => end(code === 0));
  });
}

async function rules(): Promise<Outcome> {
  const started = performance.now();
  const findings = await houseRules(root);
  return {
    name: "house rules",
    ok: findings.length === 0,
    seconds: (performance.now() - started) / 1_000,
    output: `${findings.join("\n")}\n`,
  };
}

const report = (outcome: Outcome): Outcome => {
  process.stderr.write(`${outcome.ok ? "✔" : "✘"} ${outcome.name} (${outcome.seconds.toFixed(1)} s)\n`);
  if (!outcome.ok) process.stderr.write(outcome.output);
  return outcome;
};

const quick = [
  command("types", process.execPath, [join(root, "node_modules/typescript-native/bin/tsc"), "-p", "."]),
  command("lint and format", bin("biome"), ["check", "--error-on-warnings", "."]),
  command("fences", bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "packages"]),
  rules(),
].map((check) => check.then(report));
const outcomes = await Promise.all(quick);
outcomes.push(
  report(
    await command("unit tests", process.execPath, [
      "--test",
      // All in one process: starting Node and loading the sources for every file takes three times as long.
      "--test-isolation=none",
      "--test-reporter=dot",
      "--disable-warning=ExperimentalWarning",
      "packages/*/src/**/*.test.ts",
      "tools/**/*.test.ts",
    ]),
  ),
);
process.exitCode = outcomes.every((outcome) => outcome.ok) ? 0 : 1;
