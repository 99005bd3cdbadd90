/** The client over HTTP and the real kube-apiserver keep the promises that the fake keeps: where the two differ, this finds it. */
import { after, before } from "node:test";
import { connectCluster, type KubernetesClient, loadKubeconfig } from "@liquidmetal/kubernetes";
import { defineWidgets, widgets } from "../assets/kubernetes-widget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";
import { kubernetesClientConformance } from "./kubernetes-client-suite.ts";

let server: ApiServer | undefined;
let client: KubernetesClient | undefined;

before(
  async () => {
    server = await startApiServer();
    await defineWidgets(server);
    const configuration = await loadKubeconfig({ path: server.kubeconfigFile });
    client = connectCluster({ configuration, userAgent: "suite/1.0" });
  },
  { timeout: 300_000 },
);

after(async () => {
  await client?.close();
  await server?.[Symbol.asyncDispose]();
});

kubernetesClientConformance("kube-apiserver", async () => {
  const [api, own] = [server, client];
  if (api === undefined || own === undefined) throw new Error("the server did not start");
  return {
    client: own,
    compact: async () => {
      // A server that was started after a version knows nothing of what was before it. The list waits until it has filled its caches.
      await api.process("kube-apiserver").restart();
      await own.list(widgets);
    },
  };
});
