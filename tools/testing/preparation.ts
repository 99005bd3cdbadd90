/** Makes the machine ready for tests, saying one line for each thing that is installed. What is there already costs nothing. */
import { dirname } from "node:path";
import { goToolchain } from "@liquidmetal/image-builder";
import { containerd2, containerd2Binary, containerd2Cached } from "../../tests/assets/containerd.ts";
import { preparedPrograms } from "../../tests/assets/management/prepared-programs.ts";
import { installPackages, missingPackages, type Purpose } from "../setup/system-packages.ts";

const done = new Set<Purpose>();

/** Returns why these tests cannot run here at all; undefined when they can. */
export async function prepare(needs: readonly Purpose[], say: (line: string) => void): Promise<string | undefined> {
  const open = needs.filter((purpose) => !done.has(purpose));
  if (open.length === 0) return undefined;
  const names = missingPackages(open).map((entry) => entry.name);
  try {
    if (names.length > 0) say(`Installing system packages: ${names.join(" ")}`);
    await installPackages(names);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (open.includes("test")) {
    await prepareContainerd2(say);
    await prepareManagementPlane(say);
  }
  for (const purpose of open) done.add(purpose);
  return undefined;
}

/** Distributions still carry containerd 1.x: 2.x is compiled from its Go module, once. Without it its tests are skipped, and say so. */
async function prepareContainerd2(say: (line: string) => void): Promise<void> {
  if (await containerd2Cached()) return;
  try {
    const { program } = await goToolchain({ atLeast: containerd2.go, report: say });
    if (program !== "go") process.env["PATH"] = `${dirname(program)}:${process.env["PATH"] ?? ""}`;
    say("Compiling containerd 2.x, once; takes some minutes");
    const binary = await containerd2Binary();
    if (typeof binary !== "string") say(`no containerd 2.x: ${binary.skip}`);
  } catch (error) {
    say(`no containerd 2.x: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** etcd, Kubernetes' API server, Cluster API's managers: compiled from locked modules, once. Tests that need them fail with the same words when that cannot be. */
async function prepareManagementPlane(say: (line: string) => void): Promise<void> {
  try {
    await preparedPrograms((line) => say(`management plane: ${line}`));
  } catch (error) {
    say(`no management plane: ${error instanceof Error ? error.message : String(error)}`);
  }
}
