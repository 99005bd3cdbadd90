/** The fake host network keeps the port's promises. */
import { FakeHost, FakeHostNetwork } from "@liquidmetal/host-network/fake";
import { hostNetworkConformance } from "./host-network-suite.ts";

hostNetworkConformance("fake", async () => {
  const host = new FakeHost();
  return {
    network: new FakeHostNetwork({ host }),
    restarted: () => new FakeHostNetwork({ host }),
    addForeign: async (name) => void host.add(name, ""),
    hasDevice: async (name) => host.devices.has(name),
    close: async () => undefined,
  };
});
