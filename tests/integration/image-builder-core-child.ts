/**
 * A build in a process of its own that can be interrupted, killed and starved. Takes a plan as JSON; prints one line of JSON for each event, and one at
 * the end: what was built, or why not.
 *
 * SIGINT cancels, as the command line does. `stopAt` holds the process where it is (its event loop too) until it is killed; `interruptAt` sends SIGINT.
 */
import { readdirSync } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import { type BuildEvent, type BuildRequest, buildRecipe } from "@liquidmetal/image-builder";

export interface CoreBuild {
  readonly request: Omit<BuildRequest, "onEvent" | "signal">;
  /** `stage`, or `stage layer`: the first event of it. */
  readonly stopAt?: string;
  readonly interruptAt?: string;
}

export type CoreLine =
  | { readonly event: BuildEvent }
  | { readonly stopped: string }
  | {
      readonly built: { readonly digest: string; readonly cached: boolean; readonly processorMs: number };
    }
  | {
      readonly failed: { readonly code: string; readonly message: string; readonly remedy: string };
      /** What is in the folders of the cache afterwards. */
      readonly left: Readonly<Record<string, readonly string[]>>;
    };

async function run({ request, stopAt, interruptAt }: CoreBuild): Promise<void> {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  const say = (line: CoreLine): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  let interrupted = false;
  const onEvent = (event: BuildEvent): void => {
    say({ event });
    const places = [event.stage, `${event.stage} ${event.layer ?? ""}`];
    if (stopAt !== undefined && places.includes(stopAt)) {
      say({ stopped: stopAt });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
    }
    if (!interrupted && interruptAt !== undefined && places.includes(interruptAt)) {
      interrupted = true;
      process.kill(process.pid, "SIGINT");
    }
  };
  try {
    const before = process.cpuUsage();
    const { digest, cached } = await buildRecipe({ ...request, onEvent, signal: controller.signal });
    const { user, system } = process.cpuUsage(before);
    say({ built: { digest, cached, processorMs: (user + system) / 1000 } });
  } catch (error) {
    const { code, message, remedy } = PlatformError.from(error);
    const left = (folder: string): readonly string[] => {
      try {
        return readdirSync(`${request.cacheDirectory}/${folder}`);
      } catch {
        return [];
      }
    };
    const folders = ["work", "pins", "evicting", "images", "layers"];
    say({ failed: { code, message, remedy }, left: Object.fromEntries(folders.map((name) => [name, left(name)])) });
    process.exitCode = 1;
  }
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? ""));
