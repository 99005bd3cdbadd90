/** From a recipe's `boot`, `labels` and `config` to those of the image. Labels `dev.liquidmetal.*` are described in docs/guest-contract.md. */
import type { BootDescription, RecipeDocument } from "../recipe-language/recipe-document.ts";

export interface ImageConfiguration {
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** `NAME=value`. */
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
}

/** Labels that say how an image is booted. */
export function bootLabels(boot: BootDescription): Readonly<Record<string, string>> {
  const labels: Readonly<Record<string, string | number | undefined>> = {
    "dev.liquidmetal.kernel.path": boot.kernel,
    "dev.liquidmetal.kernel.elf.path": boot.elfKernel,
    "dev.liquidmetal.initrd.path": boot.initrd,
    "dev.liquidmetal.boot.args": boot.arguments,
    "dev.liquidmetal.devices": boot.devices?.join(","),
    "dev.liquidmetal.recommended.vcpu": boot.recommendedVcpu,
    "dev.liquidmetal.recommended.memory-mib": boot.recommendedMemoryMiB,
    "dev.liquidmetal.memory.minimum-mib": boot.minimumMemoryMiB,
    "dev.liquidmetal.disk.minimum-mib": boot.minimumDiskMiB,
  };
  return Object.fromEntries(
    Object.entries(labels).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

/** What the recipe says, over what the image below it says. Names and descriptions of the image below are not inherited. */
export function configurationOf(
  document: Pick<RecipeDocument, "labels" | "boot" | "config">,
  below: ImageConfiguration | undefined,
): ImageConfiguration {
  const inherited = Object.entries(below?.labels ?? {}).filter(([name]) => !name.startsWith("org.opencontainers."));
  const { config = {} } = document;
  const environment = new Map(
    (below?.environment ?? []).map((line) => {
      const [name = "", ...value] = line.split("=");
      return [name, value.join("=")] as const;
    }),
  );
  for (const [name, value] of Object.entries(config.environment ?? {})) environment.set(name, value);
  const entrypoint = config.entrypoint ?? below?.entrypoint;
  // As in every builder of images: a new entrypoint takes the arguments of the old one away.
  const command = config.command ?? (config.entrypoint === undefined ? below?.command : undefined);
  const user = config.user ?? below?.user;
  const workingDirectory = config.workingDirectory ?? below?.workingDirectory;
  return {
    labels: { ...Object.fromEntries(inherited), ...bootLabels(document.boot ?? {}), ...document.labels },
    ...(entrypoint !== undefined && { entrypoint }),
    ...(command !== undefined && { command }),
    ...(environment.size > 0 && { environment: [...environment].map(([name, value]) => `${name}=${value}`) }),
    ...(user !== undefined && { user }),
    ...(workingDirectory !== undefined && { workingDirectory }),
  };
}
