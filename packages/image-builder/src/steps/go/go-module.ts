/**
 * The Go module of a step, and everything that decides what is compiled from it: a foreign module with its lock, or a module of our own in a folder.
 *
 * A lock says which packages it is for (the `tool` lines of its go.mod): all of them are compiled at the first need, in one run of the compiler, because
 * they share most of their packages. Recipes that take one program each from the same lock, with the same flags, then share that run.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { moduleDigest } from "../../go/module-digest.ts";
import { type GoModFile, parseGoMod, parseGoSum, replaced, type SummedModule } from "../../go/module-files.ts";
import { importPath } from "../../go/program-name.ts";
import { sourcePath } from "../../recipe-language/source-path.ts";
import type { Input } from "../input.ts";
import type { StepContext } from "../step-kind.ts";
import type { GoFields } from "./fields.ts";
import { packageUrl } from "./software.ts";

export interface GoModule {
  /** Folder of go.mod. */
  readonly directory: string;
  readonly goVersion: string;
  /** Import paths that are compiled together. */
  readonly packages: readonly string[];
  /** Import path by path in the image. */
  readonly binaries: ReadonlyMap<string, string>;
  /** The files that say what is compiled, and every module that they name. */
  readonly inputs: readonly Input[];
  /** Of the module of a folder: what its programs say in place of a version. */
  readonly ownVersion?: string;
}

export async function goModule(fields: GoFields, context: StepContext): Promise<GoModule> {
  if (fields.source !== undefined) return ownModule(fields, fields.source, context);
  return lockedModule(fields, fields.module ?? "", fields.version ?? "", fields.lock ?? "", context);
}

async function lockedModule(
  fields: GoFields,
  module: string,
  version: string,
  lock: string,
  context: StepContext,
): Promise<GoModule> {
  // A lock only names modules and their digests, nothing of it gets into the image: recipes may share one beside their folder.
  if (isAbsolute(lock) || lock.includes("\0")) throw bad(`the lock ${lock} is absolute: it is relative to the recipe`);
  const directory = join(context.recipeDirectory, lock);
  const files = await moduleFiles(directory, lock);
  const wanted = { path: module, version };
  const locked = files.mod.require.find(({ path }) => path === module);
  if (locked?.version !== version) {
    const has = locked === undefined ? "does not name it" : `has ${locked.version}`;
    throw bad(`the recipe wants ${module} ${version}, its lock ${lock} ${has}`, lockRemedy(fields));
  }
  const local = files.mod.replace.find(({ by }) => by.version === undefined);
  if (local !== undefined) throw bad(`the lock ${lock} takes ${local.path} from the folder ${local.by.path}`);
  const main = replaced(wanted, files.mod.replace);
  if (!files.sums.some((sum) => sum.path === main.path && sum.version === main.version)) {
    throw bad(`go.sum of the lock ${lock} does not vouch for ${module} ${version}`, lockRemedy(fields));
  }
  const binaries = importPaths(fields, module);
  const missing = [...binaries.values()].find((each) => !files.mod.tools.includes(each));
  if (missing !== undefined) throw bad(`the lock ${lock} is not for the package ${missing}`, lockRemedy(fields));
  return {
    directory,
    goVersion: files.mod.go,
    packages: [...files.mod.tools].sort(),
    binaries,
    inputs: [...files.inputs, ...files.sums.map(moduleInput)],
  };
}

async function ownModule(fields: GoFields, source: string, context: StepContext): Promise<GoModule> {
  const directory = await sourcePath(source, context);
  const files = await moduleFiles(directory, source);
  const local = files.mod.replace.find(({ by }) => by.version === undefined);
  if (local !== undefined) throw bad(`${source} takes ${local.path} from the folder ${local.by.path}, outside of it`);
  const digest = await moduleDigest(directory, files.mod.module, "source", (path) => path.endsWith("_test.go"));
  const hex = Buffer.from(digest.slice("h1:".length), "base64").toString("hex");
  const binaries = importPaths(fields, files.mod.module);
  return {
    directory,
    goVersion: files.mod.go,
    packages: [...new Set(binaries.values())].sort(),
    binaries,
    inputs: [{ kind: "file", name: source, digest: `sha256:${hex}` }, ...files.sums.map(moduleInput)],
    ownVersion: `0.0.0-${hex.slice(0, 12)}`,
  };
}

const importPaths = (fields: GoFields, module: string): ReadonlyMap<string, string> =>
  new Map(Object.entries(fields.binaries).map(([path, written]) => [path, importPath(module, written)]));

const moduleInput = ({ path, version, digest }: SummedModule): Input => ({
  kind: "go-module",
  name: path,
  version,
  digest,
  purl: packageUrl(path, version),
});

interface ModuleFiles {
  readonly mod: GoModFile;
  readonly sums: readonly SummedModule[];
  readonly inputs: readonly Input[];
}

/** go.mod, and go.sum where there is one: a module without dependencies has none. */
async function moduleFiles(directory: string, name: string): Promise<ModuleFiles> {
  const modText = await readFile(join(directory, "go.mod")).catch((error: unknown) => {
    throw PlatformError.from(error, "RECIPE_INVALID", `${name} has no go.mod`);
  });
  const sumText = await readFile(join(directory, "go.sum")).catch(() => Buffer.alloc(0));
  const input = (file: string, content: Buffer): Input => ({
    kind: "file",
    name: `${name}/${file}`,
    digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
  });
  return {
    mod: parseGoMod(modText.toString(), `${name}/go.mod`),
    sums: parseGoSum(sumText.toString()),
    inputs: [input("go.mod", modText), input("go.sum", sumText)],
  };
}

const lockRemedy = (fields: GoFields): string =>
  `write the lock again: lm image lock ${fields.module}@${fields.version} ${[...new Set(Object.values(fields.binaries))].join(" ")} --directory DIR`;

const bad = (why: string, remedy?: string): PlatformError =>
  new PlatformError("RECIPE_INVALID", why, remedy === undefined ? {} : { remedy });
