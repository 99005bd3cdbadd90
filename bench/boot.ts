import type { Benchmark } from "./main.ts";
export const benchmark: Benchmark = { name: "boot", summary: "x", run: async () => ({}) };
