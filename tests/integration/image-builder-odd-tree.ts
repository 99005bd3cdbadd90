/**
 * A tree of everything that a file system can hold and that archives get wrong, and one digest that compares trees whole: contents, modes, owners, links,
 * devices, extended attributes, names as bytes. Needs root.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, link, lutimes, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { pack } from "tar-stream";

const run = promisify(execFile);

/** GNU tar with all attributes, and nothing in it that two equal trees do not share. */
const canonical = [
  "--format=posix",
  "--pax-option=delete=atime,delete=ctime",
  "--sort=name",
  "--numeric-owner",
  "--mtime=@0",
  "--xattrs",
  "--xattrs-include=*",
  "--exclude=./lost+found",
];

/** `sha256:` of the whole tree below `directory`, times and the root itself aside. */
export async function treeDigest(directory: string, command: readonly string[] = []): Promise<string> {
  const [program = "tar", ...before] = command;
  const args = [...before, ...(command.length > 0 ? ["tar"] : [])];
  const tar = spawn(program, [...args, ...canonical, "--transform=s,^\\./$,,", "-C", directory, "-c", "."], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hash = createHash("sha256");
  let said = "";
  tar.stdout.on("data", (chunk: Buffer) => hash.update(chunk));
  tar.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2048);
  });
  const [code] = await once(tar, "close");
  if (code !== 0) throw new Error(`tar ended with ${code}: ${said}`);
  return `sha256:${hash.digest("hex")}`;
}

export const oddNames: readonly Buffer[] = [
  Buffer.from("new\nline"),
  Buffer.from("tab\tand 'quote' \"double\" \\back * ? $x `y`"),
  Buffer.from([0x6e, 0xff, 0xfe, 0x80, 0x6f]),
  Buffer.from([0xed, 0xb2, 0x80]),
  Buffer.from("ünï-コード-🙂"),
  Buffer.from(" leading and trailing "),
  Buffer.from("-rf"),
  Buffer.from("n".repeat(255)),
  Buffer.from(".wh"),
  Buffer.from("..."),
];

/** Fills the new folder. */
export async function plantOddTree(directory: string): Promise<void> {
  await plantAttributes(directory);
  await mkdir(join(directory, "names"));
  for (const name of oddNames) {
    const path = Buffer.concat([Buffer.from(`${directory}/names/`), name]);
    await writeFile(path, Buffer.concat([Buffer.from("content of "), name]));
  }
  const deep = join(
    directory,
    "deep",
    ...Array.from({ length: 14 }, (_, index) => `${index}`.repeat(120).slice(0, 120)),
  );
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, "bottom"), "far down");
  await mkdir(join(directory, "bin"));
  await writeFile(join(directory, "bin/su"), "privileged");
  await chown(join(directory, "bin/su"), 0, 4);
  await chmod(join(directory, "bin/su"), 0o6755);
  await link(join(directory, "bin/su"), join(directory, "bin/another-su"));
  await link(join(directory, "bin/su"), join(directory, "zz-last"));
  await link(join(directory, "bin/su"), join(directory, "aa-first"));
  await writeFile(join(directory, "empty"), "");
  await writeFile(join(directory, "nobody"), "x", { mode: 0o600 });
  await chown(join(directory, "nobody"), 4_000_000_000, 3_000_000_000);
  await mkdir(join(directory, "tmp"));
  await chmod(join(directory, "tmp"), 0o1777);
  await mkdir(join(directory, "dev"));
  for (const [name, kind, ...numbers] of [
    ["null", "c", "1", "3"],
    ["sda", "b", "8", "0"],
    ["far", "c", "300", "70000"],
    ["queue", "p"],
  ] as const) {
    await run("mknod", [join(directory, "dev", name), kind, ...numbers]);
  }
  await symlink("/absolute/nowhere", join(directory, "link-out"));
  await symlink(`${"l".repeat(200)}/${"m".repeat(200)}`, join(directory, "link-long"));
  await symlink("bin", join(directory, "link-directory"));
  await lutimes(join(directory, "link-out"), 1_000_000_000, 1_000_000_000);
}

/** No common tool writes `user.*` attributes; GNU tar does when it unpacks them. */
async function plantAttributes(directory: string): Promise<void> {
  const capability = Buffer.from("0100000200200000000000000000000000000000", "hex").toString("latin1");
  const archive = pack();
  const mtime = new Date(0);
  archive.entry(
    { name: "ping", mode: 0o755, mtime, pax: { "SCHILY.xattr.security.capability": capability } },
    "with a capability",
  );
  archive.entry({ name: "noted", mtime, pax: { "SCHILY.xattr.user.note": "said =\nof it" } }, "with a note");
  archive.entry({ name: "noted-directory", type: "directory", mtime, pax: { "SCHILY.xattr.user.note": "d" } });
  archive.finalize();
  const file = `${directory}.tar`;
  await writeFile(file, await buffer(archive));
  await run("tar", ["--xattrs", "--xattrs-include=*", "-C", directory, "-xpf", file]);
  await rm(file);
}

/** The tree as an OCI layout of one uncompressed layer, made by GNU tar: an image from elsewhere. */
export async function foreignLayout(tree: string, layout: string): Promise<void> {
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  const put = async (mediaType: string, bytes: Buffer): Promise<Record<string, unknown>> => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(layout, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const file = `${layout}.layer`;
  await run("tar", [...canonical.filter((one) => !one.startsWith("--mtime")), "-C", tree, "-cf", file, "."]);
  const layer = await put("application/vnd.oci.image.layer.v1.tar", await readFile(file));
  await rm(file);
  const platform = { architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux" };
  const config = await put(
    "application/vnd.oci.image.config.v1+json",
    json({ ...platform, config: {}, rootfs: { type: "layers", diff_ids: [layer["digest"]] } }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await put(mediaType, json({ schemaVersion: 2, mediaType, config, layers: [layer] }));
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const index = { schemaVersion: 2, manifests: [{ ...manifest, platform }] };
  await writeFile(join(layout, "index.json"), JSON.stringify(index));
}
