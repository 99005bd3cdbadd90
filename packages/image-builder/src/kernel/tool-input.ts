/** A program of this machine whose version changes what is built: what it says of itself, as an input with a digest. */
import { createHash } from "node:crypto";
import type { Input } from "../steps/input.ts";
import { runTool, type ToolOptions } from "../system-tool.ts";

/** Asks `tool` for its version. The first line is shown, all of it is the digest. Errors: TOOL_MISSING, IMAGE_BUILD_FAILED. */
export async function toolInput(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<Input> {
  const text = (await runTool(tool, args, options)).toString();
  const version = text.split("\n")[0]?.trim() ?? "";
  return { kind: "tool", name: tool, version, digest: `sha256:${createHash("sha256").update(text).digest("hex")}` };
}
