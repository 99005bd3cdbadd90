/**
 * Kernel modules and what they need: the closure of the modules that an initrd loads, in the order to load them.
 *
 * Dependencies come out of the modules themselves (the `depends` field of `.modinfo`, what depmod reads too), so no depmod and no root are needed.
 * Module names have `_` and `-` for one another, as in the kernel.
 */
import { readFile } from "node:fs/promises";
import { zstdDecompressSync } from "node:zlib";
import { PlatformError } from "@liquidmetal/foundation";
import { elfSection } from "../elf-file.ts";
import { runTool } from "../system-tool.ts";
import { walk } from "../tree/host-files.ts";

export interface KernelModule {
  /** With `_`, as the kernel lists it. */
  readonly name: string;
  /** Relative to the release's directory, as in `kernel/fs/fat/vfat.ko` (without a compression's suffix). */
  readonly path: string;
  /** Uncompressed. */
  readonly bytes: Buffer;
  readonly depends: readonly string[];
  /** Of the wanted module that brought it in. */
  readonly condition?: ModuleCondition;
}

/** When a module is worth loading: a PCI bus is there, or a virtio device of this id (virtio 1.2, section 5; as sysfs writes it). */
export type ModuleCondition = "pci" | `virtio:0x${string}`;

export interface ModuleIndex {
  /** Host path by module name. */
  readonly files: ReadonlyMap<string, { readonly path: string; readonly hostPath: string }>;
  /** Names of what is built into the kernel. */
  readonly builtin: ReadonlySet<string>;
}

export interface WantedModule {
  readonly name: string;
  /** Fails the build where it is neither a module nor built in. Default false. */
  readonly required?: boolean;
  /** Absent = always loaded. List conditional modules after those that are always loaded, so that what both need is always loaded. */
  readonly condition?: ModuleCondition;
}

const maxModuleBytes = 64 * 1024 * 1024;
const moduleFile = /\/([^/]+)\.ko(?:\.zst|\.xz)?$/;

/** Reads the directory `lib/modules/<release>` of an unpacked kernel package. */
export async function indexModules(directory: string): Promise<ModuleIndex> {
  const files = new Map<string, { path: string; hostPath: string }>();
  for await (const { path, hostPath, stats } of walk(directory)) {
    const name = moduleFile.exec(`/${path}`)?.[1];
    if (stats.isFile() && name !== undefined) {
      files.set(moduleName(name), { path: path.replace(/\.(zst|xz)$/, ""), hostPath });
    }
  }
  const list = await readFile(`${directory}/modules.builtin`, "utf8");
  const builtin = list.split("\n").flatMap((line) => moduleFile.exec(`/${line}`)?.[1] ?? []);
  return { files, builtin: new Set(builtin.map(moduleName)) };
}

/** Wanted modules and all they depend on, each after its dependencies; what is built in, or optional and not there, is left out. */
export async function moduleClosure(
  index: ModuleIndex,
  wanted: readonly WantedModule[],
  load: (hostPath: string) => Promise<Buffer> = readModule,
): Promise<readonly KernelModule[]> {
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string, root: WantedModule, chain: readonly string[]): Promise<void> => {
    if (ordered.has(name) || index.builtin.has(name)) return;
    if (chain.includes(name)) throw failed(`the modules ${[...chain, name].join(" → ")} depend on each other`);
    const file = index.files.get(name);
    if (file === undefined) {
      if (root.required !== true && chain.length === 0) return;
      throw failed(`this kernel has no module ${name}${chain.length > 0 ? `, which ${chain.at(-1)} needs` : ""}`);
    }
    const bytes = await load(file.hostPath);
    const depends = dependencies(bytes);
    for (const needed of depends) await visit(needed, root, [...chain, name]);
    const { condition } = root;
    ordered.set(name, { name, path: file.path, bytes, depends, ...(condition && { condition }) });
  };
  for (const module of wanted) await visit(moduleName(module.name), module, []);
  return [...ordered.values()];
}

/** The text of `modules.dep` for a closure, so that `modprobe` works in the initrd: each line a module and all it needs, next first. */
export function modulesDep(modules: readonly KernelModule[]): string {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const needs = (module: KernelModule): string[] =>
    module.depends.flatMap((name) => {
      const needed = byName.get(name);
      return needed === undefined ? [] : [needed.path, ...needs(needed)];
    });
  return modules.map((module) => `${module.path}: ${[...new Set(needs(module))].join(" ")}`.trimEnd()).join("\n");
}

export const moduleName = (name: string): string => name.replaceAll("-", "_");

function dependencies(bytes: Buffer): string[] {
  const info = elfSection(bytes, ".modinfo")?.toString("latin1") ?? "";
  const field = info.split("\0").find((entry) => entry.startsWith("depends="));
  return (field?.slice("depends=".length).split(",") ?? []).filter((name) => name !== "").map(moduleName);
}

async function readModule(hostPath: string): Promise<Buffer> {
  const bytes = await readFile(hostPath);
  if (hostPath.endsWith(".zst")) return zstdDecompressSync(bytes, { maxOutputLength: maxModuleBytes });
  if (hostPath.endsWith(".xz")) return runTool("xz", ["-d", "-c"], { input: bytes, maxOutputBytes: maxModuleBytes });
  return bytes;
}

const failed = (why: string): PlatformError => new PlatformError("IMAGE_BUILD_FAILED", why);
