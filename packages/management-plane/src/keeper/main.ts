/**
 * The keeper of an embedded plane: `plane-keeper CONFIGURATION`. Started by a supervisor beside the API server.
 *
 * http://127.0.0.1:PORT/readyz answers 200 when all is well, else 503 with what is wrong.
 */
import { createServer } from "node:http";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { connectCluster } from "@liquidmetal/kubernetes";
import { Keeper } from "./keeper.ts";
import { readKeeperConfiguration, readManifests } from "./keeper-configuration.ts";

const path = process.argv[2];
if (path === undefined) {
  process.stderr.write("usage: plane-keeper CONFIGURATION\n");
  process.exit(2);
}
const report = (line: string): void => {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
};
const configuration = await readKeeperConfiguration(path);
const file = (name: string): { readonly file: string } => ({ file: join(configuration.certificates, name) });
const client = connectCluster({
  configuration: {
    server: configuration.url,
    certificateAuthority: file("ca.crt"),
    clientCertificate: file("admin.crt"),
    clientKey: file("admin.key"),
    namespace: "default",
  },
  userAgent: "liquidmetal-plane-keeper",
  fieldManager: "liquidmetal",
  connections: 4,
});
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
const keeper = new Keeper({
  configuration,
  manifests: () => readManifests(configuration.manifestsFile),
  client,
  report,
  signal: stop.signal,
});
const server = createServer((_request, response) => {
  const good = keeper.ready && keeper.problem === "";
  response.writeHead(good ? 200 : 503, { "content-type": "text/plain" }).end(good ? "ok\n" : `${keeper.problem}\n`);
});
server.listen(configuration.healthPort, "127.0.0.1");
server.on("error", (error) => {
  report(`the port ${configuration.healthPort} cannot be had: ${error.message}`);
  process.exit(1);
});
flushCompileCache();
await keeper.run();
server.close();
server.closeAllConnections();
await client.close();
