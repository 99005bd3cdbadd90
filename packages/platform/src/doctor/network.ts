/** Networks for guests. Devices are tried inside a network namespace of their own, which vanishes with the probe's process. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { output } from "./command.ts";
import { type Check, type CheckContext, type Finding, fail, info, ok, warn } from "./finding.ts";

interface DeviceProbe {
  readonly id: string;
  readonly title: string;
  /** Run by sh in a fresh network namespace. */
  readonly script: string;
  readonly missing: (id: string, title: string, why: string) => Finding;
}

const needed =
  (remedy: string) =>
  (id: string, title: string, why: string): Finding =>
    fail(id, title, `does not work: ${why}`, remedy);

const probes: readonly DeviceProbe[] = [
  {
    id: "network.bridge",
    title: "Bridge",
    script: "ip link add lmdoc0 type bridge",
    missing: needed("load the kernel module bridge"),
  },
  {
    id: "network.tap",
    title: "Tap",
    script: "ip tuntap add lmdoc0 mode tap",
    missing: needed("load the kernel module tun, and see that /dev/net/tun is there"),
  },
  {
    id: "network.veth",
    title: "veth",
    script: "ip link add lmdoc0 type veth peer name lmdoc1",
    missing: (id, title) =>
      warn(
        id,
        title,
        "does not work",
        "load the kernel module veth; guests in a namespace cannot reach the outside without",
      ),
  },
  {
    id: "network.macvtap",
    title: "macvtap",
    // Over a veth, as the agent tries it: dummy devices are not in every kernel.
    script:
      "ip link add lmdoc0 type veth peer name lmdoc1 && ip link add link lmdoc0 name lmdoc2 type macvtap mode bridge",
    missing: (id, title) => info(id, title, "not in this kernel; interfaces of type macvtap are refused"),
  },
  {
    id: "network.nftables",
    title: "nftables",
    script: "nft 'add table bridge lmdoctor' && nft 'add table inet lmdoctor'",
    missing: needed("install nftables; the kernel needs nf_tables"),
  },
];

export const networkChecks: readonly Check[] = [
  { id: "network.tun", title: "/dev/net/tun", run: tun },
  ...probes.map((probe): Check => ({ id: probe.id, title: probe.title, run: (context) => tried(probe, context) })),
  { id: "network.forwarding", title: "Forwarding", run: forwarding },
  { id: "network.ports", title: "Ports", run: ports },
];

async function tried(probe: DeviceProbe, { signal }: CheckContext): Promise<readonly Finding[]> {
  const answer = await output("unshare", ["--net", "--", "sh", "-c", probe.script], signal);
  if (answer === undefined)
    return [warn(probe.id, probe.title, "cannot be tried without unshare", "apt-get install util-linux")];
  if (answer.code === 0) return [ok(probe.id, probe.title, "works")];
  const why = answer.text.trim().split("\n").at(-1) ?? "";
  if (/Operation not permitted|must be root|Permission denied/i.test(why) && process.getuid?.() !== 0) {
    return [info(probe.id, probe.title, "can be tried by root only")];
  }
  return [probe.missing(probe.id, probe.title, why)];
}

function tun(): readonly Finding[] {
  if (!existsSync("/dev/net/tun")) return [fail("network.tun", "/dev/net/tun", "is not there", "modprobe tun")];
  const mode = (statSync("/dev/net/tun").mode & 0o777).toString(8);
  return [ok("network.tun", "/dev/net/tun", `is there (mode ${mode})`)];
}

function forwarding(): readonly Finding[] {
  const on = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1";
  return [
    on
      ? ok("network.forwarding", "Forwarding", "IPv4 is forwarded")
      : info(
          "network.forwarding",
          "Forwarding",
          "IPv4 is not forwarded; 'lm up --egress' turns it on where guests need it",
        ),
  ];
}

async function ports(): Promise<readonly Finding[]> {
  const taken = (await Promise.all([9090, 8090].map(async (port) => ((await isFree(port)) ? [] : [port])))).flat();
  return [
    taken.length === 0
      ? ok("network.ports", "Ports", "9090 (gRPC) and 8090 (HTTP) are free")
      : info(
          "network.ports",
          "Ports",
          `${taken.join(" and ")} in use; choose others with --grpc-endpoint and --http-endpoint`,
        ),
  ];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
