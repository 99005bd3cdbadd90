/** A Debian package archive of our own in a folder, signed with a key of its own: to have packages, lists and signatures that can be tampered with. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export class PackageArchive {
  readonly directory: string;
  /** For the field `sources` of a step. */
  readonly sourcesFile: string;
  readonly #keys: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.sourcesFile = join(directory, "test.list");
    this.#keys = join(directory, "keys");
  }

  /** Makes the archive in the new folder, readable for apt's own user, with one package that holds `usr/bin/thing`. */
  static async create(directory: string): Promise<PackageArchive> {
    const archive = new PackageArchive(directory);
    await mkdir(join(directory, "archive"), { recursive: true });
    await mkdir(archive.#keys, { mode: 0o700 });
    for (const name of ["ours", "theirs"]) {
      const key = ["--quick-generate-key", `${name}@test.invalid`, "ed25519", "sign", "never"];
      await archive.#gpg(["--passphrase", "", ...key]);
    }
    await archive.#gpg(["--output", join(directory, "key.gpg"), "--export", "ours@test.invalid"]);
    const line = `deb [signed-by=${join(directory, "key.gpg")}] file:${join(directory, "archive")} ./\n`;
    await writeFile(archive.sourcesFile, line);
    await archive.pack("one");
    await archive.writeLists();
    await archive.sign();
    await chmod(directory, 0o755);
    return archive;
  }

  /** Makes the package (again) with `content` in its file; the lists are not touched. */
  async pack(content: string): Promise<void> {
    const root = join(this.directory, "package");
    await rm(root, { recursive: true, force: true });
    await mkdir(join(root, "DEBIAN"), { recursive: true });
    await mkdir(join(root, "usr/bin"), { recursive: true });
    await writeFile(join(root, "DEBIAN/control"), control);
    await writeFile(join(root, "usr/bin/thing"), content, { mode: 0o755 });
    await run("dpkg-deb", ["--root-owner-group", "--build", root, this.packageFile]);
  }

  /** Adds the package `broken`, whose maintainer script fails, and writes and signs the lists anew. */
  async packBroken(): Promise<void> {
    const root = join(this.directory, "broken");
    const text = control.replace("Package: thing", "Package: broken");
    await mkdir(join(root, "DEBIAN"), { recursive: true });
    await writeFile(join(root, "DEBIAN/control"), text);
    const script = "#!/bin/sh\necho cannot find the moon\nexit 7\n";
    await writeFile(join(root, "DEBIAN/postinst"), script, { mode: 0o755 });
    const file = join(this.directory, "archive/broken_1.0_all.deb");
    await run("dpkg-deb", ["--root-owner-group", "--build", root, file]);
    const deb = await readFile(file);
    const about = `Filename: ./broken_1.0_all.deb\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`;
    await this.writeLists(`\n${text}${about}`);
    await this.sign();
  }

  get packageFile(): string {
    return join(this.directory, "archive/thing_1.0_all.deb");
  }

  get releaseFile(): string {
    return join(this.directory, "archive/Release");
  }

  get packagesFile(): string {
    return join(this.directory, "archive/Packages");
  }

  /** `Packages` and `Release` of what is there; not yet signed. */
  async writeLists(more = ""): Promise<void> {
    const deb = await readFile(this.packageFile);
    const about = `Filename: ./thing_1.0_all.deb\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`;
    await writeFile(this.packagesFile, `${control}${about}${more}`);
    const packages = await readFile(this.packagesFile);
    const { size } = await stat(this.packagesFile);
    await writeFile(
      this.releaseFile,
      `Origin: Test\nCodename: test\nSuite: test\nArchitectures: all amd64 arm64\nDate: Sun, 01 Nov 2026 00:00:00 UTC\nSHA256:\n ${sha256(packages)} ${size} Packages\n`,
    );
  }

  async sign(by: "ours" | "theirs" = "ours"): Promise<void> {
    const signed = join(this.directory, "archive/InRelease");
    await rm(signed, { force: true });
    await this.#gpg(["--local-user", `${by}@test.invalid`, "--output", signed, "--clearsign", this.releaseFile]);
  }

  async #gpg(args: readonly string[]): Promise<void> {
    await run("gpg", ["--homedir", this.#keys, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", ...args]);
  }

  /** Ends the agent that gpg started for its keys. */
  async [Symbol.asyncDispose](): Promise<void> {
    await run("gpgconf", ["--homedir", this.#keys, "--kill", "all"]).catch(() => {});
  }
}

const control = `Package: thing
Version: 1.0
Architecture: all
Maintainer: Test <test@test.invalid>
Description: a thing
`;

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
