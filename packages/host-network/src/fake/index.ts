/** The network's fake, for tests of whoever uses the port. */
export { FakeHost, FakeHostNetwork, type FakeHostNetworkOptions } from "./fake-host-network.ts";
