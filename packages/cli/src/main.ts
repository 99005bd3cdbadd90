/** `lm`: the entry. Signals, closed pipes and the exit code; everything else is in `program/`. */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// Not in /tmp, as Node has it by default: whoever can write compiled code there could make root run it.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "liquidmetal/code"));
// Words about this program's insides (a library sets a TLS name that Node dislikes) are nothing for its user.
process.noDeprecation = true;
const [{ Interrupted, run }, { processTerminal }] = await Promise.all([
  import("./program/run.ts"),
  import("./program/terminal.ts"),
]);

const controller = new AbortController();
/** The first asks the command to end cleanly; the second ends at once. */
const interrupt = (exitCode: number) => (): void => {
  if (controller.signal.aborted) process.exit(exitCode);
  controller.abort(new Interrupted(exitCode));
};
process.on("SIGINT", interrupt(130));
process.on("SIGTERM", interrupt(143));
process.on("SIGHUP", interrupt(129));
// A reader that has seen enough (`lm vm list | head -1`) is no error, and nobody is left to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
}

// Timers of waits and deadlines do not hold the event loop; a command that only waits must not end for that.
setInterval(() => undefined, 2 ** 30);
const exitCode = await run({ argv: process.argv.slice(2), terminal: processTerminal(), signal: controller.signal });
// Pipes and terminals are written synchronously on Linux: nothing is lost by leaving now, and a stray handle cannot hold us.
process.exit(exitCode);
