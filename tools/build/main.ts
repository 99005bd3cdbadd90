/**
 * `npm run build`: bundles the programs for release into `dist/` (or the directory given), one file each, with their version stamped in.
 *
 * A bundle starts several times faster than the source tree: one file instead of some hundreds, no type stripping.
 */
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { sourceKey } from "./source-key.ts";

const root = join(import.meta.dirname, "../..");
/** Where the programs go: `dist/`, or the one argument. */
const dist = resolve(process.argv[2] ?? join(root, "dist"));
const staging = `${dist}.${process.pid}`;

const programs = [
  { name: "lm", entry: "packages/cli/src/main.ts" },
  { name: "capmvm", entry: "packages/capmvm/src/main.ts" },
  { name: "flintlockd", entry: "packages/host-agent/src/main.ts" },
  { name: "supervisor", entry: "packages/platform/src/supervisor/main.ts" },
  { name: "spawner", entry: "packages/spawner/src/process/main.ts" },
  { name: "gateway", entry: "packages/platform/src/gateway/main.ts" },
  { name: "plane-keeper", entry: "packages/management-plane/src/keeper/main.ts" },
];

/** What programs read at run time: recipes of images, and the files of ours that go into guests. They lie beside the programs. */
const dataFolders = ["images", "guest", "deploy/capmvm", "api/crds"];

function commitHash(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "unknown";
  }
}

const manifest: unknown = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
const version = (manifest as { version: string }).version;
await mkdir(staging, { recursive: true });
try {
  await build({
    entryPoints: programs.map((program) => ({ in: join(root, program.entry), out: program.name })),
    outdir: staging,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    platform: "node",
    // An `import()` of a CommonJS package has no named exports in a bundle; this is the same package as ES modules.
    alias: { yaml: join(root, "node_modules/yaml/browser/index.js") },
    target: "node24",
    format: "esm",
    minify: true,
    keepNames: true,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "linked",
    // Dependencies in CommonJS still call require.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    define: {
      "process.env.LIQUIDMETAL_VERSION": JSON.stringify(version),
      "process.env.LIQUIDMETAL_COMMIT": JSON.stringify(commitHash()),
    },
    logLevel: "warning",
  });
  for (const folder of dataFolders) await cp(join(root, folder), join(staging, folder), { recursive: true });
  await writeFile(join(staging, "SOURCE_KEY"), await sourceKey(root));
  for (const program of programs) await chmod(join(staging, `${program.name}.mjs`), 0o755);
  await rm(dist, { recursive: true, force: true });
  await rename(staging, dist);
} finally {
  await rm(staging, { recursive: true, force: true });
}
process.stderr.write(`built ${programs.map((program) => program.name).join(", ")} ${version} in ${dist}\n`);
