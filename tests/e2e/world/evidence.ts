/**
 * Gathers what one needs to find out why something failed, into one folder: a file for each thing. What cannot be had costs a line and never the rest:
 * everything is taken at the same time (a few at once), each within its own deadline and all within one, and what it failed with stands in its place.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface Witness {
  /** Path in the folder. */
  readonly file: string;
  /** What to write; ends at the signal. */
  readonly tell: (signal: AbortSignal) => Promise<string>;
}

export interface EvidenceOptions {
  /** For each witness. Default 30,000. */
  readonly witnessMs?: number;
  /** For all of them. Default 180,000. */
  readonly totalMs?: number;
  /** At once. Default 4. */
  readonly concurrency?: number;
}

export interface Evidence {
  readonly files: readonly string[];
  /** `FILE: why` for each that could not be had. */
  readonly missing: readonly string[];
}

/** Never rejects but where the folder itself cannot be written. Witnesses that do not heed their signal are left behind, and not waited for. */
export async function gather(
  folder: string,
  witnesses: readonly Witness[],
  options: EvidenceOptions = {},
): Promise<Evidence> {
  const { witnessMs = 30_000, totalMs = 180_000, concurrency = 4 } = options;
  await mkdir(folder, { recursive: true });
  const end = AbortSignal.timeout(totalMs);
  const waiting = [...witnesses];
  const files: string[] = [];
  const missing: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { file } = next;
      const heard = await hear(next, AbortSignal.any([end, AbortSignal.timeout(witnessMs)]));
      const path = join(folder, heard.told ? file : `${file}.missing`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, heard.text, { mode: 0o600 });
      if (heard.told) files.push(file);
      else missing.push(`${file}: ${heard.text.split("\n")[0]}`);
    }
  };
  // Timers of signals do not hold the event loop.
  const hold = setInterval(() => undefined, 60_000);
  try {
    await Promise.all(Array.from({ length: concurrency }, work));
  } finally {
    clearInterval(hold);
  }
  if (missing.length > 0) await writeFile(join(folder, "missing.txt"), `${missing.toSorted().join("\n")}\n`);
  return { files: files.toSorted(), missing: missing.toSorted() };
}

interface Heard {
  readonly told: boolean;
  readonly text: string;
}

async function hear({ tell }: Witness, signal: AbortSignal): Promise<Heard> {
  const { promise: late, resolve } = Promise.withResolvers<Heard>();
  const tooLate = (): void => resolve({ told: false, text: "it did not answer in time\n" });
  if (signal.aborted) return { told: false, text: "there was no time left for it\n" };
  signal.addEventListener("abort", tooLate, { once: true });
  const telling = (async () => tell(signal))().then(
    (text) => ({ told: true, text }),
    (error: unknown) => ({ told: false, text: `${error instanceof Error ? error.message : String(error)}\n` }),
  );
  try {
    return await Promise.race([telling, late]);
  } finally {
    signal.removeEventListener("abort", tooLate);
  }
}
