import type { Benchmark } from "./main.ts";
export const benchmark: Benchmark = { name: "cli", summary: "x", run: async () => ({}) };
