/** `npm run release -- DIR [--version vX.Y.Z] [--image REFERENCE] [--image-output OUTPUT]`: capmvm as a repository that clusterctl installs from, and its container image. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import { managementPrograms } from "@liquidmetal/management-plane";
import { buildImage } from "./image.ts";
import { writeRelease } from "./release.ts";

const usage =
  "usage: npm run release -- DIR [--version vX.Y.Z] [--image REFERENCE] [--kustomize PROGRAM]\n" +
  "                              [--image-output oci:DIR|oci-archive:FILE|registry:REFERENCE [--node FILE --architecture amd64|arm64]]\n";

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      version: { type: "string" },
      image: { type: "string" },
      // Absent = compiled from its locked module.
      kustomize: { type: "string" },
      // Builds the container image, too. Of another architecture it wants a Node for it.
      "image-output": { type: "string" },
      node: { type: "string" },
      architecture: { type: "string" },
    },
  });
  const [directory, ...others] = positionals;
  if (directory === undefined || others.length > 0) {
    process.stderr.write(usage);
    return 2;
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const kustomize = values.kustomize ?? (await managementPrograms({ report: say })).kustomize;
  const { version, image } = values;
  const release = await writeRelease({
    root: join(import.meta.dirname, "../.."),
    directory,
    kustomize,
    ...(version !== undefined && { version }),
    ...(image !== undefined && { image }),
  });
  say(`wrote capmvm ${release.version} to ${release.directory}`);
  const { "image-output": output, node, architecture } = values;
  if (output !== undefined) {
    if (architecture !== undefined && architecture !== "amd64" && architecture !== "arm64") {
      process.stderr.write(usage);
      return 2;
    }
    say("building the container image");
    const request = { root: join(import.meta.dirname, "../.."), version: release.version, output };
    say(
      await buildImage({
        ...request,
        ...(node !== undefined && { node }),
        ...(architecture !== undefined && { architecture }),
      }),
    );
  }
  say(`use it with: clusterctl --config ${release.configFile} init --infrastructure microvm`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (caught) {
  if (caught instanceof TypeError) process.stderr.write(`error: ${caught.message}\n${usage}`);
  else {
    const error = PlatformError.from(caught);
    process.stderr.write(`error: ${error.message}\nhint: ${error.remedy}\n`);
  }
  process.exitCode = caught instanceof TypeError ? 2 : 1;
}
