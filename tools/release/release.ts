/**
 * A release of capmvm as a folder that clusterctl takes for a repository:
 *
 *     DIR/infrastructure-microvm/v0.11.0/{infrastructure-components,metadata,cluster-template*,clusterclass-*}.yaml
 *     DIR/clusterctl.yaml        # names the repository; for --config
 *
 * The same input gives the same files. A version that lies there already is replaced as a whole.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import { parse } from "yaml";
import { composeTemplates } from "./templates.ts";

const run = promisify(execFile);

export interface ReleaseRequest {
  /** The checkout. */
  readonly root: string;
  readonly directory: string;
  /** Path of the program. */
  readonly kustomize: string;
  /** As in v0.11.0, of a series in metadata.yaml. Default: the first of the newest series. */
  readonly version?: string;
  /** Reference of capmvm's container image. Default `liquidmetal.local/capmvm:<version>`. */
  readonly image?: string;
}

export interface Release {
  readonly version: string;
  /** Of the version's files. */
  readonly directory: string;
  /** For `clusterctl --config`. */
  readonly configFile: string;
}

/** What deploy/capmvm/manager.yaml names. */
const placeholderImage = "liquidmetal.local/capmvm:latest";

/** CONFIG_INVALID for a version that metadata.yaml does not know. */
export async function writeRelease(request: ReleaseRequest): Promise<Release> {
  const source = join(request.root, "deploy/capmvm");
  const metadata = await readFile(join(source, "metadata.yaml"), "utf8");
  const version = checkedVersion(request.version, metadata);
  const image = request.image ?? `liquidmetal.local/capmvm:${version}`;
  const provider = join(resolve(request.directory), "infrastructure-microvm");
  await mkdir(provider, { recursive: true });
  const staging = await mkdtemp(join(provider, ".new-"));
  try {
    const components = await kustomizeBuild(request.kustomize, source);
    const files = new Map(await composeTemplates(request.root));
    files.set("infrastructure-components.yaml", components.replaceAll(placeholderImage, image));
    files.set("metadata.yaml", metadata);
    for (const [name, text] of files) await writeFile(join(staging, name), text);
    const directory = join(provider, version);
    await rm(directory, { recursive: true, force: true });
    await rename(staging, directory);
    return { version, directory, configFile: await writeConfig(resolve(request.directory)) };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function checkedVersion(wanted: string | undefined, metadata: string): string {
  const { releaseSeries } = parse(metadata) as {
    readonly releaseSeries: readonly { readonly major: number; readonly minor: number }[];
  };
  const [newest] = [...releaseSeries].sort((a, b) => b.major - a.major || b.minor - a.minor);
  const version = wanted ?? `v${newest?.major}.${newest?.minor}.0`;
  const parts = /^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$/.exec(version);
  if (parts === null) {
    throw new PlatformError("CONFIG_INVALID", `the version ${version} is none`, { remedy: "write it as v0.11.0" });
  }
  const [, major, minor] = parts;
  if (!releaseSeries.some((each) => each.major === Number(major) && each.minor === Number(minor))) {
    throw new PlatformError("CONFIG_INVALID", `metadata.yaml has no series for the version ${version}`, {
      remedy: "add its series, with the contract that it meets, to deploy/capmvm/metadata.yaml",
    });
  }
  return version;
}

async function kustomizeBuild(kustomize: string, directory: string): Promise<string> {
  try {
    const { stdout } = await run(kustomize, ["build", directory], { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    throw PlatformError.from(error, "CONFIG_INVALID", `kustomize build ${directory}`);
  }
}

async function writeConfig(directory: string): Promise<string> {
  const file = join(directory, "clusterctl.yaml");
  const components = join(directory, "infrastructure-microvm/latest/infrastructure-components.yaml");
  await writeFile(
    file,
    `# clusterctl --config ${file} init --infrastructure microvm\n` +
      `providers:\n  - name: microvm\n    type: InfrastructureProvider\n    url: ${components}\n`,
  );
  return file;
}
