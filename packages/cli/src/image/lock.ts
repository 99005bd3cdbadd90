/** `lm image lock`: writes the lock of a Go program that recipes compile, for a version that has none yet. */
import { join } from "node:path";
import { printOne } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import type { ImageBuilder } from "./builder-port.ts";

export async function lockModule(
  invocation: Invocation,
  session: Session,
  builder: Pick<ImageBuilder, "lock">,
): Promise<number | undefined> {
  const [text = "", ...packages] = invocation.positionals;
  const [, module, version] = /^([^@\s]+)@(v\d\S*)$/.exec(text) ?? [];
  if (module === undefined || version === undefined) {
    throw usage(`'${text}' names no module and version`, "write MODULE@VERSION, as in k8s.io/kubernetes@v1.36.3");
  }
  const directory = invocation.flags.text("directory");
  if (directory === undefined) throw usage("where shall the lock be written?", "say --directory DIR");
  const tags = invocation.flags.list("tag");
  using stages = session.stages();
  const written = await stages.run(
    `Locking ${text}`,
    (stage) =>
      builder.lock({ module, version, packages, tags, directory, report: stage.update, signal: session.signal }),
    ({ moduleCount, goVersion }) => `${moduleCount} modules, Go ${goVersion}`,
  );
  const files = ["go.mod", "go.sum"].map((name) => join(written.directory, name));
  await printOne(
    session,
    written,
    {
      columns: [],
      json: (lock) => ({
        module,
        version,
        directory: lock.directory,
        goVersion: lock.goVersion,
        modules: lock.moduleCount,
      }),
      name: (lock) => lock.directory,
    },
    () => files.join("\n"),
  );
  return undefined;
}
