/**
 * The gateway between a platform's network namespace and its host: `gateway inside CONFIGURATION` and `gateway outside CONFIGURATION`.
 *
 * A process cannot change its namespace; so one that was started inside makes the connections, and one outside hands it what tools of the host ask for.
 */
import { chmodSync, rmSync } from "node:fs";
import { flushCompileCache } from "node:module";
import type { ListenOptions, Server } from "node:net";
import { connectProxy } from "./connect-proxy.ts";
import { forwarder } from "./forwarder.ts";
import { type GatewayConfiguration, readGatewayConfiguration } from "./gateway-configuration.ts";

const [, , side, path] = process.argv;
if ((side !== "inside" && side !== "outside") || path === undefined) {
  process.stderr.write("usage: gateway inside|outside CONFIGURATION\n");
  process.exit(2);
}
const configuration = readGatewayConfiguration(path);
const servers = side === "inside" ? await inside(configuration) : await outside(configuration);
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    for (const server of servers) server.close();
    process.exit(0);
  });
}
flushCompileCache();

async function inside(chosen: GatewayConfiguration): Promise<readonly Server[]> {
  const { identity, bridge, apiServerPort, probePorts, socket, probeSocket, agentPort, agentSocket } = chosen;
  const probes = connectProxy({ rules: { loopbackPorts: probePorts } });
  const agent = forwarder({ socketPath: agentSocket });
  const proxy = connectProxy({ identity, rules: { loopbackPorts: [apiServerPort], bridge } });
  await listen(probes, { path: probeSocket });
  await listen(agent, { host: "127.0.0.1", port: agentPort });
  // The last one: by it is seen that all are there.
  await listen(proxy, { path: socket });
  return [probes, agent, proxy];
}

async function outside({ port, socket }: GatewayConfiguration): Promise<readonly Server[]> {
  const server = forwarder({ socketPath: socket });
  await listen(server, { host: "127.0.0.1", port });
  return [server];
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  // The supervisor runs one of each: whoever made this socket is gone.
  if (options.path !== undefined) rmSync(options.path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      if (options.path !== undefined) chmodSync(options.path, 0o600);
      server.off("error", reject);
      // Out of descriptors, for example: the next connection may come through.
      server.on("error", (error) => process.stderr.write(`${new Date().toISOString()} ${error.message}\n`));
      resolve();
    });
  });
}
