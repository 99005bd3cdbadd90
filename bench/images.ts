/**
 * Image Builder: what it costs against the plain tools that do the same.
 *
 * `BENCH_IMAGES` picks parts, by commas; `kubernetes-node` is left out unless it is named: it compiles all of Kubernetes.
 */

import type { Say } from "./images/building.ts";
import { measureDebianBase } from "./images/debian-base.ts";
import { measureKubernetesNode } from "./images/kubernetes-node.ts";
import { measureRebuild } from "./images/rebuild.ts";
import { measureRootVolume } from "./images/root-volume.ts";
import type { Benchmark } from "./main.ts";
import { cleanAll } from "./world/cleanup.ts";
import { loadAverage } from "./world/processes.ts";

const parts: Readonly<Record<string, (say: Say) => Promise<Record<string, unknown>>>> = {
  "root-volume": measureRootVolume,
  rebuild: measureRebuild,
  "debian-base": measureDebianBase,
  "kubernetes-node": measureKubernetesNode,
};
const chosen = (process.env["BENCH_IMAGES"] ?? "root-volume,rebuild,debian-base").split(",");

export const benchmark: Benchmark = {
  name: "images",
  summary: "building images, against mke2fs, sha256sum and mmdebstrap",
  run: async (say) => {
    const figures: Record<string, unknown> = { load: loadAverage() };
    try {
      for (const name of chosen) {
        const measure = parts[name];
        if (measure === undefined) throw new Error(`no part ${name}; there are: ${Object.keys(parts).join(", ")}`);
        say(name);
        figures[name] = await measure(say);
      }
      return figures;
    } finally {
      await cleanAll();
    }
  },
};
