/**
 * The system packages that this project uses: which of them this machine lacks, and their installation by apt.
 *
 * The list is data (`system-packages.list`), so that a shell can read it before there is a Node that runs TypeScript.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** What a package is needed for: running microVMs, building the images of the quickstart, building every other image, compiling kernels, tests. */
export type Purpose = (typeof purposes)[number];

const purposes = ["run", "images", "builds", "kernel", "test"] as const;

export interface SystemPackage {
  readonly name: string;
  /** Program in PATH, or absolute file, that shows that it is there. */
  readonly probe: string;
  readonly why: string;
  readonly purpose: Purpose;
}

/** Others who use apt are waited for this long. */
const lockTimeoutSeconds = 300;
const installTimeoutMs = 20 * 60_000;
const keptOutputCharacters = 4_000;
const isPurpose = (text: string): text is Purpose => purposes.some((purpose) => purpose === text);

export function systemPackages(): readonly SystemPackage[] {
  const lines = readFileSync(join(import.meta.dirname, "system-packages.list"), "utf8").split("\n");
  return lines.flatMap((line) => {
    const [purpose = "", name, probe, why] = line.split("|");
    const complete = name !== undefined && probe !== undefined && why !== undefined;
    return complete && isPurpose(purpose) ? [{ purpose, name, probe, why }] : [];
  });
}

/** Also looks where administrators' programs lie, which PATH of an ordinary user lacks. */
export function isPresent(probe: string): boolean {
  if (probe.startsWith("/")) return existsSync(probe);
  const directories = (process.env["PATH"] ?? "").split(delimiter).concat("/usr/local/sbin", "/usr/sbin", "/sbin");
  return directories.some((directory) => {
    try {
      accessSync(join(directory, probe), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function missingPackages(wanted: readonly Purpose[]): readonly SystemPackage[] {
  return systemPackages().filter((entry) => wanted.includes(entry.purpose) && !isPresent(entry.probe));
}

/**
 * Installs by apt; `onProgress` gets lines like `42 %: Unpacking qemu-utils`. What apt prints is shown only in the error, when it fails.
 * Throws with a remedy when there is no apt, when it is not root that asks, or when apt fails.
 */
export async function installPackages(
  names: readonly string[],
  onProgress: (line: string) => void = () => {},
): Promise<void> {
  if (names.length === 0) return;
  if (!isPresent("apt-get")) {
    throw new Error(`this machine has no apt-get: install by hand what Debian calls ${names.join(", ")}`);
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`installing needs root: run this as root, or first: sudo apt-get install ${names.join(" ")}`);
  }
  const install = ["install", "-y", "--no-install-recommends", ...names];
  // The package lists of a fresh machine are missing or old; those of a used one are often good enough.
  if ((await aptGet(install, onProgress)).ok) return;
  onProgress("reading the package lists");
  const update = await aptGet(["update"], onProgress);
  const second = await aptGet(install, onProgress);
  if (second.ok) return;
  const said = `${update.ok ? "" : update.output}${second.output}`.trim();
  throw new Error(`apt-get could not install ${names.join(" ")}. It said:\n${said}`);
}

interface AptResult {
  readonly ok: boolean;
  /** The end of what it printed. */
  readonly output: string;
}

function aptGet(args: readonly string[], onProgress: (line: string) => void): Promise<AptResult> {
  const options = [`DPkg::Lock::Timeout=${lockTimeoutSeconds}`, "Dpkg::Use-Pty=0", "APT::Status-Fd=3"];
  return new Promise((resolve) => {
    const child = spawn("apt-get", ["-q", ...options.flatMap((option) => ["-o", option]), ...args], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // Ctrl-C on the terminal must not end dpkg half-way through a package: what was begun is finished.
      detached: true,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
      timeout: installTimeoutMs,
    });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-keptOutputCharacters);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      const progress = progressOf(chunk.toString());
      if (progress !== undefined) onProgress(progress);
    });
    child.on("error", (error) => resolve({ ok: false, output: error.message }));
    child.on("close", (code) => resolve({ ok: code === 0, output }));
  });
}

/** The last of apt's status lines: `pmstatus:PACKAGE:PERCENT:TEXT` and `dlstatus:NUMBER:PERCENT:TEXT`. */
function progressOf(text: string): string | undefined {
  const line = text.split("\n").findLast((each) => /^(pm|dl)status:/.test(each));
  const [, , percent, ...words] = line?.split(":") ?? [];
  return percent === undefined ? undefined : `${Math.round(Number(percent))} %: ${words.join(":").trim()}`;
}
