/** The real host network keeps the port's promises, in a namespace of its own for every test. */
import { test } from "node:test";
import { realWorld, whyNotHere } from "../integration/host-network-world.ts";
import { hostNetworkConformance } from "./host-network-suite.ts";

const reason = whyNotHere();
if (reason !== undefined) test("linux host network", { skip: reason }, () => undefined);
else {
  hostNetworkConformance("linux", async () => {
    const world = realWorld();
    return {
      network: world.network,
      restarted: world.restarted,
      addForeign: async (name) => void world.ip("tuntap", "add", "dev", name, "mode", "tap"),
      hasDevice: async (name) => world.ip("-o", "link", "show").includes(` ${name}:`),
      close: world.close,
    };
  });
}
