/**
 * The machine controller alone as a process, that a test may kill: no leader election, no resync, nothing but events drive it. Says "ready" on stdout when its
 * caches are filled and it works.
 *
 * Argument: kubeconfig.
 */
import { systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  connectCluster,
  type KubernetesObject,
  keepOwnManagedFields,
  loadKubeconfig,
  openCache,
  type Resource,
  type RunnableCache,
  RuntimeMetrics,
  silentLogger,
  startController,
} from "@liquidmetal/kubernetes";
import {
  clusters,
  fieldManager,
  machinePools,
  machines,
  microvmClusters,
  microvmMachines,
} from "../../packages/capmvm/src/api/index.ts";
import { HostAccesses } from "../../packages/capmvm/src/hosts/host-accesses.ts";
import { openHosts } from "../../packages/capmvm/src/hosts/open-hosts.ts";
import { secretReader } from "../../packages/capmvm/src/hosts/secret-reader.ts";
import { machineController } from "../../packages/capmvm/src/machine/machine-controller.ts";
import { machineIndexes } from "../../packages/capmvm/src/machine/wake-ups.ts";

const [kubeconfig = ""] = process.argv.slice(2);
const [clock, entropy] = [systemClock, systemEntropy];
const client = connectCluster({
  configuration: await loadKubeconfig({ path: kubeconfig }),
  userAgent: "capmvm-machine-test/1",
  fieldManager,
});
const stop = new AbortController();
const open = <T extends KubernetesObject>(kind: Resource<T>): RunnableCache<T> => openCache(client, kind);
const caches = {
  microvmMachines: openCache(client, microvmMachines, {
    indexes: machineIndexes,
    transform: keepOwnManagedFields(fieldManager),
  }),
  microvmClusters: open(microvmClusters),
  machines: open(machines),
  clusters: open(clusters),
  machinePools: open(machinePools),
};
for (const cache of Object.values(caches)) void cache.start(stop.signal);
await Promise.all(Object.values(caches).map((cache) => cache.synced()));

const hosts = openHosts({ clock, entropy });
const accesses = new HostAccesses({ hosts, read: secretReader(client), clock });
const say = (object: KubernetesObject, reason: string, message: string): void =>
  void process.stdout.write(`event ${object.metadata?.name} ${reason} ${message}\n`);
const options = machineController({
  client,
  caches,
  hosts,
  accessOf: accesses.accessOf,
  events: { normal: say, warning: say },
  clock,
  logger: silentLogger,
  managementPlane: "plane-of-the-test",
});
const controller = startController(options, { clock, entropy, logger: silentLogger, metrics: new RuntimeMetrics() });
process.stdout.write("ready\n");
process.once("SIGTERM", () => {
  void controller.stop().then(() => process.exit(0));
});
