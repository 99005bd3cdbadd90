/** The tiers of the tests, in the order in which they run: quick ones first, so that a mistake is seen soon. */
import type { Purpose } from "../setup/system-packages.ts";

export interface Tier {
  readonly name: string;
  readonly globs: readonly string[];
  /** Test files at once. Guests under emulation need both processors, so the heavy tiers run one file at a time. */
  readonly concurrency: number;
  readonly needs: readonly Purpose[];
  /** Milliseconds a single test may take. */
  readonly timeoutMs: number;
}

export const tiers: readonly Tier[] = [
  {
    name: "unit",
    globs: ["packages/*/src/**/*.test.ts", "tools/**/*.test.ts"],
    concurrency: 2,
    needs: [],
    timeoutMs: 60_000,
  },
  { name: "crash", globs: ["tests/crash/**/*.test.ts"], concurrency: 2, needs: [], timeoutMs: 300_000 },
  {
    name: "conformance",
    globs: ["tests/conformance/**/*.test.ts"],
    concurrency: 1,
    needs: ["run", "images", "test"],
    timeoutMs: 300_000,
  },
  {
    name: "integration",
    globs: ["tests/integration/**/*.test.ts"],
    concurrency: 1,
    needs: ["run", "images", "test"],
    timeoutMs: 600_000,
  },
  {
    name: "e2e",
    globs: ["tests/e2e/**/*.test.ts"],
    concurrency: 1,
    needs: ["run", "images", "test"],
    timeoutMs: 900_000,
  },
  {
    name: "metal",
    globs: ["tests/metal/**/*.test.ts"],
    concurrency: 1,
    needs: ["run", "images", "test"],
    timeoutMs: 600_000,
  },
];
