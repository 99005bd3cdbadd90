/** The programs that a kernel is compiled with: whether they are all there, and their versions, which change what comes out. */
import { PlatformError } from "@liquidmetal/foundation";
import type { Input } from "../steps/input.ts";
import type { Architecture } from "../steps/step-kind.ts";
import { runTool } from "../system-tool.ts";
import { toolInput } from "./tool-input.ts";

/** How the kernel's own build names a machine, and what it makes for it. */
export interface KernelTarget {
  /** ARCH of the kernel's makefiles. */
  readonly arch: string;
  /** Its folder in `arch/`. */
  readonly sourceArchitecture: string;
  /** CROSS_COMPILE; "" on the machine itself. */
  readonly crossCompile: string;
  /** What `make` is told to make. */
  readonly goal: string;
  /** Where it then lies. */
  readonly image: string;
}

/** The target of this machine's compilers, or of Debian's cross compilers. */
export function kernelTarget(architecture: Architecture, machine: string = process.arch): KernelTarget {
  if (architecture === "amd64") {
    const crossCompile = machine === "x64" ? "" : "x86_64-linux-gnu-";
    return { arch: "x86_64", sourceArchitecture: "x86", crossCompile, goal: "bzImage", image: "arch/x86/boot/bzImage" };
  }
  const crossCompile = machine === "arm64" ? "" : "aarch64-linux-gnu-";
  return { arch: "arm64", sourceArchitecture: "arm64", crossCompile, goal: "Image", image: "arch/arm64/boot/Image" };
}

interface Needed {
  readonly tool: string;
  readonly packageName: string;
  /** Whether another version may give another kernel: then it is an input. */
  readonly shapes: boolean;
}

function neededTools({ crossCompile, arch }: KernelTarget): readonly Needed[] {
  const triple = crossCompile.replace(/-$/, "");
  const suffix = triple === "" ? "" : `-${triple.replace("_", "-")}`;
  const tools: Needed[] = [
    { tool: `${crossCompile}gcc`, packageName: `gcc${suffix}`, shapes: true },
    { tool: `${crossCompile}ld`, packageName: `binutils${suffix}`, shapes: true },
    { tool: "make", packageName: "make", shapes: true },
    { tool: "flex", packageName: "flex", shapes: false },
    { tool: "bison", packageName: "bison", shapes: false },
    { tool: "bc", packageName: "bc", shapes: false },
    { tool: "perl", packageName: "perl-base", shapes: false },
  ];
  // The bzImage is compressed by it.
  if (arch === "x86_64") tools.push({ tool: "lz4", packageName: "lz4", shapes: true });
  // Tools of the kernel's own are compiled for this machine.
  if (crossCompile !== "") tools.push({ tool: "gcc", packageName: "gcc", shapes: false });
  return tools;
}

/** Errors: TOOL_MISSING with one remedy for all that are missing. */
export async function kernelToolInputs(target: KernelTarget, signal: AbortSignal): Promise<readonly Input[]> {
  const inputs: Input[] = [];
  const missing: string[] = [];
  for (const { tool, packageName, shapes } of neededTools(target)) {
    try {
      const input = await toolInput(tool, ["--version"], { signal });
      if (shapes) inputs.push(input);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "TOOL_MISSING") throw error;
      missing.push(packageName);
    }
  }
  missing.push(...(await missingHeaders(target, signal)));
  if (missing.length === 0) return inputs;
  throw new PlatformError("TOOL_MISSING", `a kernel cannot be compiled here: ${missing.join(", ")} not installed`, {
    remedy: `apt-get install --no-install-recommends ${missing.join(" ")}; or use kernel/distro, which is not compiled`,
    details: { package: missing.join(" ") },
  });
}

const headers: Readonly<Record<string, string>> = { "stdlib.h": "libc6-dev", "gelf.h": "libelf-dev" };

/** Headers for the kernel's own tools, all of them where no compiler can be asked: objtool, which x86 kernels with mitigations need, is written with libelf. */
async function missingHeaders({ arch }: KernelTarget, signal: AbortSignal): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const [header, packageName] of Object.entries(headers)) {
    if (header === "gelf.h" && arch !== "x86_64") continue;
    const compile = ["-x", "c", "-fsyntax-only", "-include", header, "/dev/null"];
    await runTool("gcc", compile, { signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      missing.push(packageName);
    });
  }
  return missing;
}
