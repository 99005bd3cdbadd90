/**
 * House rules that no linter knows (docs/architecture.md, "Style"): names that say something, files that hold one concept,
 * a stated reason for each dependency, nothing of a particular machine in what is tracked.
 */
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const emptyNames = /(^|\/)(utils?|helpers?|common|misc|managers?|types)(\.[a-z]+)*(\/|$)/;
const linesMax = 400;
const testLinesMax = 600;

export async function houseRules(root: string): Promise<readonly string[]> {
  const files = trackedFiles(root);
  const findings: string[] = [];
  const sources = files.filter(
    (file) => /^(packages|tools|tests|bench|guest)\/.*\.tsx?$/.test(file) && !/\/gen\//.test(file),
  );
  for (const file of sources) {
    if (emptyNames.test(file)) findings.push(`${file}: a name that says nothing; name the concept it holds`);
  }
  for (const file of sources.filter((name) => /^(packages|tools)\/.*\.test\.ts$/.test(name))) {
    const text = await readFile(join(root, file), "utf8").catch(() => "");
    if (/^(before|after)Each\(/m.test(text))
      findings.push(`${file}: beforeEach and afterEach belong into a describe: unit tests share one process`);
    if (/^\s*(process\.env(\[[^\]]+\]|\.\w+) = |delete process\.env|process\.chdir\()/m.test(text))
      findings.push(`${file}: changes the environment of all unit tests, which share one process; pass what differs`);
  }
  for (const file of files.filter((name) => !/(package-lock\.json|\.svg|\.png)$/.test(name))) {
    const text = await readFile(join(root, file), "utf8").catch(() => "");
    findings.push(...lengthFinding(file, text, sources.includes(file)), ...machineFindings(file, text, root));
  }
  findings.push(...(await undocumentedDependencies(root, files)));
  return findings;
}

function trackedFiles(root: string): readonly string[] {
  const output = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: root });
  return output.toString().split("\0").filter(Boolean);
}

function lengthFinding(file: string, text: string, isSource: boolean): readonly string[] {
  if (!isSource) return [];
  const max = /\.test\.ts$/.test(file) || file.startsWith("tests/") ? testLinesMax : linesMax;
  const lines = text.split("\n").length - 1;
  return lines > max ? [`${file}: ${lines} lines, more than ${max}; it holds more than one concept`] : [];
}

/** Paths of this checkout or of its user's home have no place in the project. */
function machineFindings(file: string, text: string, root: string): readonly string[] {
  const paths = [`${dirname(root)}/`, `${homedir()}/`].filter((path) => path.length > 2);
  return paths.filter((path) => text.includes(path)).map((path) => `${file}: names a path of this machine (${path})`);
}

async function undocumentedDependencies(root: string, files: readonly string[]): Promise<readonly string[]> {
  const documented = await readFile(join(root, "docs/dependencies.md"), "utf8").catch(() => "");
  const names = new Set<string>();
  for (const file of files.filter((name) => /(^|\/)package\.json$/.test(name))) {
    const manifest: unknown = JSON.parse(await readFile(join(root, file), "utf8"));
    for (const field of ["dependencies", "devDependencies"]) {
      const entries = (manifest as Record<string, Record<string, string> | undefined>)[field] ?? {};
      for (const name of Object.keys(entries)) if (!name.startsWith("@liquidmetal/")) names.add(name);
    }
  }
  return [...names]
    .filter((name) => !documented.includes(`\`${name}\``))
    .map((name) => `docs/dependencies.md: no line says why ${name} was chosen`);
}
