import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { askHttp } from "../process/http-probe.ts";
import { connectProxy } from "./connect-proxy.ts";
import { isAllowed, parseDestination } from "./destinations.ts";
import { forwarder } from "./forwarder.ts";

describe("destinations", () => {
  const bridge: NetworkInterfaceInfo = {
    ...{ address: "10.77.0.1", netmask: "255.255.255.0", family: "IPv4", mac: "02:00:00:00:00:01", internal: false },
    cidr: "10.77.0.1/24",
  };
  const interfaces = { lmbr0: [bridge], eth0: [{ ...bridge, address: "192.0.2.1", cidr: "192.0.2.1/24" }] };
  const rules = { loopbackPorts: [6443], bridge: "lmbr0" };
  const allowed = (text: string): boolean => {
    const destination = parseDestination(text);
    return destination !== undefined && isAllowed(destination, rules, interfaces);
  };

  test("are the named ports of loopback and the guests on the bridge", () => {
    assert.equal(allowed("127.0.0.1:6443"), true);
    assert.equal(allowed("10.77.0.2:6443"), true);
    assert.equal(allowed("10.77.0.254:22"), true);
  });

  test("and nothing else", () => {
    for (const text of [
      ...["127.0.0.1:2379", "127.0.0.2:6443", "10.77.0.1:6443", "10.77.1.2:6443", "192.0.2.9:22", "0.0.0.0:6443"],
      ...[
        "localhost:6443",
        "[::1]:6443",
        "010.77.0.2:22",
        "10.77.0.2",
        "10.77.0.2:0",
        "10.77.0.2:65536",
        "10.77.0.2:6443 x",
        "",
      ],
    ]) {
      assert.equal(allowed(text), false, text);
    }
    assert.equal(isAllowed({ host: "10.77.0.2", port: 1 }, { loopbackPorts: [] }, interfaces), false);
    assert.equal(isAllowed({ host: "10.77.0.2", port: 1 }, rules, {}), false, "the bridge is not there");
  });
});

describe("gateway", () => {
  let directory: string;
  const closing: (() => void)[] = [];
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-gate-"));
  });
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function listen(server: Server, at: string | number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      if (typeof at === "string") server.listen(at, resolve);
      else server.listen(at, "127.0.0.1", resolve);
    });
    closing.push(() => server.close());
    return typeof at === "string" ? 0 : (server.address() as AddressInfo).port;
  }

  /** Answers only when the other side has said all that it has to say. */
  const patient = (): Server =>
    createServer({ allowHalfOpen: true }, (socket) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on("end", () => socket.end(`you said ${text}`));
    });

  function dial(at: string | number): Socket {
    const options = { allowHalfOpen: true };
    const socket =
      typeof at === "string" ? connect({ ...options, path: at }) : connect({ ...options, host: "127.0.0.1", port: at });
    socket.on("error", () => undefined);
    closing.push(() => socket.destroy());
    return socket;
  }

  function everything(socket: Socket): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.once("close", () => resolve(text));
      socket.once("end", () => socket.end());
    });
  }

  test("both halves together carry what is said, and the end of each half", async () => {
    const target = await listen(patient(), 0);
    const path = join(directory, "inside.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [target] } }), path);
    const outside = await listen(forwarder({ socketPath: path }), 0);
    const client = dial(outside);
    client.end(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: x\r\n\r\nhello`);
    const answer = await everything(client);
    assert.match(answer, /^HTTP\/1\.1 200 [^\r]+\r\n\r\nyou said hello$/);
  });

  test("carries much, in both directions, without keeping it", async () => {
    const size = 8 * 2 ** 20;
    const target = await listen(
      createServer((socket) => socket.pipe(socket)),
      0,
    );
    const path = join(directory, "much.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [target] } }), path);
    const client = dial(path);
    client.write(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => client.once("data", resolve));
    let received = 0;
    const all = new Promise<void>((resolve) => {
      client.on("data", (chunk: Buffer) => {
        received += chunk.length;
        if (received === size) resolve();
      });
    });
    client.write(Buffer.alloc(size, 1));
    await all;
    assert.equal(received, size);
  });

  test("says why it does not connect", async () => {
    const closed = createServer();
    const port = await listen(closed, 0);
    await new Promise((resolve) => closed.close(resolve));
    const path = join(directory, "why.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [port] } }), path);
    const answerTo = (line: string): Promise<string> => {
      const client = dial(path);
      client.write(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
      return everything(client);
    };
    assert.match(await answerTo(`CONNECT 127.0.0.1:${port} HTTP/1.1`), /^HTTP\/1\.1 502 .*ECONNREFUSED/s);
    assert.match(await answerTo("CONNECT 127.0.0.1:1 HTTP/1.1"), /^HTTP\/1\.1 403 .*not to be reached/s);
    assert.match(await answerTo("GET / HTTP/1.1"), /^HTTP\/1\.1 405 .*CONNECT only/s);
  });

  test("refuses more connections than it may have, and takes the next when one has ended", async () => {
    const target = await listen(
      createServer((socket) => socket.pipe(socket)),
      0,
    );
    const path = join(directory, "full.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [target] }, limit: 1 }), path);
    const request = `CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const first = dial(path);
    first.write(request);
    await new Promise((resolve) => first.once("data", resolve));
    const second = dial(path);
    second.write(request);
    assert.match(await everything(second), /^HTTP\/1\.1 503 /);
    first.end();
    await everything(first);
    const third = dial(path);
    third.write(request);
    assert.match(String(await new Promise((resolve) => third.once("data", resolve))), /^HTTP\/1\.1 200 /);
  });

  test("a client that breaks off is not waited for", async () => {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const target = await listen(
      createServer((socket) =>
        socket
          .on("error", () => undefined)
          .once("close", () => resolve())
          .resume(),
      ),
      0,
    );
    const path = join(directory, "broken.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [target] } }), path);
    const client = dial(path);
    client.write(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((connected) => client.once("data", connected));
    client.destroy();
    await gone;
  });

  test("leads probes to servers that say how they are", async () => {
    let status = 503;
    const server = createHttpServer((_request, response) => response.writeHead(status).end("applying manifests\n"));
    const target = await listen(server, 0);
    const path = join(directory, "probe.sock");
    await listen(connectProxy({ rules: { loopbackPorts: [target, 1] } }), path);
    const url = `http://127.0.0.1:${target}/readyz`;
    assert.equal(await askHttp({ url, proxySocket: path }, 5_000), "applying manifests");
    status = 200;
    assert.equal(await askHttp({ url, proxySocket: path }, 5_000), "ready");
    assert.equal(await askHttp({ url }, 5_000), "ready");
    assert.equal(await askHttp({ url: "http://127.0.0.1:1/", proxySocket: path }, 5_000), "nobody listens there");
    assert.match(await askHttp({ url, proxySocket: join(directory, "none") }, 5_000), /the gateway cannot be asked/);
  });

  test("tells who it is, through its other half too, so that nobody else at its port is taken for it", async () => {
    const path = join(directory, "gateway.sock");
    await listen(connectProxy({ identity: "gateway of here", rules: { loopbackPorts: [] } }), path);
    const port = await listen(forwarder({ socketPath: path }), 0);
    const url = `http://127.0.0.1:${port}/healthz`;
    const inside = { url: "http://localhost/healthz", socket: path };
    assert.equal(await askHttp({ ...inside, says: "gateway of here" }, 5_000), "ready");
    assert.equal(await askHttp({ url, says: "gateway of here" }, 5_000), "ready");
    assert.equal(await askHttp({ url, says: "gateway of there" }, 5_000), "another program answers there");
    assert.equal(await askHttp({ ...inside, url: "http://localhost/other" }, 5_000), "this proxy knows CONNECT only");
  });
});
