/** The tiers of the tests, in the order in which they run: quick ones first, so that a mistake is seen soon. */
import type { Purpose } from "../setup/system-packages.ts";

export interface Tier {
  readonly name: string;
  readonly globs: readonly string[];
  /** Processes at once. Guests under emulation need both processors, so the heavy tiers run one file at a time. */
  readonly concurrency: number;
  /** `together`: all files in one process each share of them, which saves starting Node and loading the sources a hundred times. */
  readonly files: "apart" | "together";
  readonly needs: readonly Purpose[];
  /** Milliseconds that a process may take before it counts as hanging. */
  readonly timeoutMs: number;
}

const system: readonly Purpose[] = ["run", "images", "test"];

export const tiers: readonly Tier[] = [
  {
    name: "unit",
    globs: ["packages/*/src/**/*.test.ts", "tools/**/*.test.ts"],
    concurrency: 2,
    files: "together",
    needs: [],
    timeoutMs: 180_000,
  },
  { name: "crash", globs: ["tests/crash/**/*.test.ts"], concurrency: 2, files: "apart", needs: [], timeoutMs: 300_000 },
  heavy("conformance"),
  heavy("integration"),
  heavy("e2e", 900_000),
  heavy("metal"),
];

function heavy(name: string, timeoutMs: number = 300_000): Tier {
  return {
    name,
    globs: [`tests/${name}/**/*.test.ts`],
    concurrency: 1,
    files: "apart",
    needs: system,
    timeoutMs,
  };
}
