/** Finds out of dpkg's and mmdebstrap's output which package or script it was that failed, and what it said. */
import { PlatformError } from "@liquidmetal/foundation";

const saidLines = 12;
const full = /No space left on device|cannot copy extracted data .*(?:No space|failed to write)/;
const noise = /^(?:I: |\(Reading database|Chrooting into|W: (?:Unable to read|Host system|skipping))/;

/** `lines` = the end of what the sandbox wrote. */
export function rootFailure(lines: readonly string[], exitCode: number): PlatformError {
  const text = lines.join("\n");
  if (full.test(text)) {
    return new PlatformError("DISK_FULL", `no space left while the root was made: ${firstMatch(lines, full)}`, {
      remedy:
        "roots are made in memory and then written to the cache's folder: give the machine more memory or swap, or that disk more room",
    });
  }
  const script = /^liquidmetal: (script \d+) failed with (\d+)/m.exec(text);
  if (script !== null) {
    const [line, name, code] = script;
    return failed(`${name} of the recipe ended with ${code}`, before(lines, line));
  }
  // What depends on the failed one fails too, and may be named first.
  const errors = [...text.matchAll(/^dpkg: error processing (?:package|archive) (\S+) \(?--\w+\)?:?\n?(.*)/gm)];
  const error = errors.find(([, , why]) => why?.includes("dependency problems") !== true) ?? errors[0];
  if (error !== undefined) {
    const [line, subject = "", why = ""] = error;
    const name = subject
      .replace(/:(?:amd64|arm64|all)$/, "")
      .replace(/^.*\//, "")
      .replace(/_.*$/, "");
    return failed(
      `the package ${name} could not be installed: ${why.trim()}`,
      before(lines, line.split("\n")[0] ?? ""),
      { package: name },
    );
  }
  const denied = /^bwrap: .*|^nsenter: .*|^unshare: .*/m.exec(text)?.[0];
  if (denied !== undefined) {
    return new PlatformError("CAPABILITY_MISSING", `the sandbox could not be made: ${denied}`, {
      remedy:
        "allow user namespaces and mounts in them (in a container: run it privileged, or with its /proc unmasked)",
    });
  }
  const unmet = lines.filter((line) => /^(?:E:| .* : (?:Pre)?Depends)/.test(line)).slice(-4);
  return failed(`the root could not be made (${exitCode})`, unmet.length > 0 ? unmet : lines);
}

/** The last lines that somebody said before `mark`. */
function before(lines: readonly string[], mark: string): readonly string[] {
  const at = lines.lastIndexOf(mark);
  return at < 0 ? lines : lines.slice(0, at);
}

function failed(what: string, said: readonly string[], details: Readonly<Record<string, string>> = {}): PlatformError {
  const kept = said.filter((line) => line.trim() !== "" && !noise.test(line)).slice(-saidLines);
  return new PlatformError("IMAGE_BUILD_FAILED", `${what}${kept.length > 0 ? `; it said:\n${kept.join("\n")}` : ""}`, {
    details,
  });
}

const firstMatch = (lines: readonly string[], pattern: RegExp): string =>
  (lines.find((line) => pattern.test(line)) ?? "").trim();
