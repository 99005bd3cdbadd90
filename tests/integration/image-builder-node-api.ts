/**
 * A part of an API server for the CNI tests: lists and watches Nodes. Run as a program in a network namespace; each line on stdin is a command, each
 * line on stdout says that it is done, or that a watch has begun.
 */
import { createServer, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";

export type NodeCommand =
  | { readonly put: { readonly name: string; readonly address: string; readonly podCIDRs: readonly string[] } }
  | { readonly remove: string }
  /** Ends all watches, and answers the next with "too old". */
  | { readonly forget: true };

const nodes = new Map<string, object>();
const watches = new Set<ServerResponse>();
let version = 1;
let forgotten = 0;

const say = (what: object): boolean => process.stdout.write(`${JSON.stringify(what)}\n`);
const objectOf = (name: string, address: string, podCIDRs: readonly string[]): object => ({
  kind: "Node",
  metadata: { name, resourceVersion: String(version) },
  spec: { podCIDR: podCIDRs[0], podCIDRs },
  status: { addresses: [{ type: "Hostname", address: name }].concat({ type: "InternalIP", address }) },
});

function send(type: string, object: object): void {
  for (const watch of watches) watch.write(`${JSON.stringify({ type, object })}\n`);
}

function obey(command: NodeCommand): void {
  version += 1;
  if ("put" in command) {
    const { name, address, podCIDRs } = command.put;
    const type = nodes.has(name) ? "MODIFIED" : "ADDED";
    nodes.set(name, objectOf(name, address, podCIDRs));
    send(type, nodes.get(name) ?? {});
  } else if ("remove" in command) {
    nodes.delete(command.remove);
    send("DELETED", { metadata: { name: command.remove, resourceVersion: String(version) } });
  } else {
    forgotten = version;
    for (const watch of watches) watch.end();
  }
}

const server = createServer((request, response) => {
  const query = new URL(request.url ?? "/", "http://x").searchParams;
  const watching = query.get("watch") === "true";
  response.writeHead(200, { "Content-Type": "application/json" });
  if (!watching) {
    response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items: [...nodes.values()] }));
  } else if (Number(query.get("resourceVersion")) < forgotten) {
    response.end(`${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } })}\n`);
  } else {
    response.flushHeaders();
    watches.add(response);
    say({ watching: true });
    response.on("close", () => watches.delete(response));
  }
});
server.listen(8080, () => say({ listening: true }));
createInterface({ input: process.stdin })
  .on("line", (line) => {
    obey(JSON.parse(line) as NodeCommand);
    say({ done: true });
  })
  .on("close", () => process.exit(0));
