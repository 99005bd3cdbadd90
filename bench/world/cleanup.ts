/**
 * What a benchmark started ends with it: also when it fails, and when it is interrupted.
 *
 * Cleanups run once each, the newest first; one that fails does not keep the others from running.
 */
type Cleanup = () => Promise<void> | void;

const pending: Cleanup[] = [];
let installed = false;
let cleaning: Promise<void> = Promise.resolve();

/** Registers a cleanup; the returned function runs it now. */
export function onEnd(cleanup: Cleanup): () => Promise<void> {
  if (!installed) {
    installed = true;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => void cleanAll().finally(() => process.exit(130)));
    }
  }
  pending.push(cleanup);
  return async () => {
    const at = pending.indexOf(cleanup);
    if (at < 0) return;
    pending.splice(at, 1);
    const done = cleaning.then(cleanup);
    cleaning = done.catch(() => undefined);
    await done;
  };
}

/** Runs all that are left; whoever asks while that is under way waits for the same. */
export function cleanAll(): Promise<void> {
  cleaning = cleaning.then(runAll);
  return cleaning;
}

async function runAll(): Promise<void> {
  for (let cleanup = pending.pop(); cleanup !== undefined; cleanup = pending.pop()) {
    try {
      await cleanup();
    } catch (error) {
      process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}
