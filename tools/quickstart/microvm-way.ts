/** `-- --vm`: from nothing to one microVM that one is logged in to. */
import { buildImages, importImages } from "./images.ts";
import { nextStepsOfMicroVm } from "./next-steps.ts";
import { installMissing } from "./packages.ts";
import { microVmRecipes } from "./recipes.ts";
import type { Walk } from "./walk.ts";

const microVm = "hello";

export async function bringUpMicroVm(walk: Walk): Promise<void> {
  await installMissing(walk, ["run", "images"]);
  const [kernel, volume] = await buildImages(walk, "Kernel and root volume images", microVmRecipes);
  await walk.stage("Embedded host (lm up)", (_stage, report) => walk.lm(["up"], { onLine: report }));
  if (kernel === undefined || volume === undefined) throw new Error("an image was not built");
  await importImages(walk, [kernel, volume]);
  await walk.stage("One microVM, until its guest says that it is ready", (_stage, report) =>
    walk.lm(createArguments(kernel.reference, volume.reference), { onLine: report }),
  );
  await walk.show(["vm", "list"]);
  await walk.show(["vm", "ssh", microVm, "--", "uname -a; ip -4 -o addr show scope global"]);
  walk.print(`\n${nextStepsOfMicroVm(microVm, walk.paths.name)}`);
}

/** Kernel file and initrd are named by labels of the kernel's image. */
function createArguments(kernel: string, volume: string): readonly string[] {
  return [
    ...["vm", "create", microVm, "--image", volume, "--kernel", kernel],
    ...["--vcpu", "1", "--memory", "256M", "--network", "tap"],
    ...["--ssh-key", "platform", "--wait=ready", "--timeout", "3m"],
  ];
}
