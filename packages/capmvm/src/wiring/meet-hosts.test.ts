import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { silentLogger } from "@liquidmetal/kubernetes";
import type { MicrovmCluster } from "../api/index.ts";
import { FakeHosts } from "../hosts/fake-hosts.ts";
import { meetHosts } from "./meet-hosts.ts";

const cluster = (...endpoints: readonly string[]): MicrovmCluster => ({
  metadata: { namespace: "ns", name: "demo" },
  spec: {
    placement: { staticPool: { hosts: endpoints.map((endpoint) => ({ endpoint, controlPlaneAllowed: true })) } },
  },
});

function meeting(hosts: FakeHosts, clock: FakeClock, clusters: readonly MicrovmCluster[]) {
  const stop = new AbortController();
  let over = false;
  const met = meetHosts({
    clusters,
    hosts,
    clock,
    logger: silentLogger,
    signal: stop.signal,
    accessOf: async (_, endpoint) => ({ endpoint }),
  }).finally(() => {
    over = true;
  });
  return { met, stop, isOver: () => over };
}

test("hosts that answer, or say that they will not, are met at once", async () => {
  const clock = new FakeClock();
  const hosts = new FakeHosts(clock);
  hosts.add("a:9090");
  hosts.add("b:9090").unreachable();
  await meeting(hosts, clock, [cluster("a:9090", "b:9090"), cluster("a:9090")]).met;
  assert.equal(clock.monotonicMs(), new FakeClock().monotonicMs(), "no time went by");
});

test("a host that does not answer holds nobody up for longer than five seconds", async () => {
  const clock = new FakeClock();
  const hosts = new FakeHosts(clock);
  hosts.add("a:9090");
  hosts.add("slow:9090").synced = false;
  const { met, isOver } = meeting(hosts, clock, [cluster("a:9090", "slow:9090")]);
  await clock.advance(4_900);
  assert.equal(isOver(), false);
  await clock.advance(200);
  await met;
});

test("without clusters there is nobody to meet", async () => {
  const clock = new FakeClock();
  await meeting(new FakeHosts(clock), clock, []).met;
});
