/** The API server in memory keeps the client's promises. */
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import { kubernetesClientConformance } from "./kubernetes-client-suite.ts";

kubernetesClientConformance("fake", async () => {
  const cluster = new FakeCluster();
  return { client: cluster.client({ fieldManager: "suite" }), compact: async () => cluster.compact() };
});
