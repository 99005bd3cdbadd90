import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { connect as connectPlain } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { type Listener, listen } from "./listener.ts";
import { selfSignedCertificate } from "./self-signed-certificate.ts";
import type { ServingCertificate } from "./serving-certificate.ts";

const host = "127.0.0.1";
/** Far longer than anything here takes: who waits for it fails the test's own limit. */
const graceMs = 60_000;

async function certified(): Promise<ServingCertificate> {
  const current = await selfSignedCertificate("test", Date.now());
  const nothing = { [Symbol.dispose]: () => undefined };
  return { current, onChange: () => nothing, ...nothing };
}

const once = (target: NodeJS.EventEmitter, event: string): Promise<void> =>
  new Promise((resolve) => target.once(event, () => resolve()));

function get(listener: Listener, agent: Agent): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const call = request({ host, port: listener.port, agent, rejectUnauthorized: false }, (response) => {
    let text = "";
    response.on("data", (chunk) => {
      text += chunk;
    });
    response.on("end", () => resolve(text));
  });
  call.on("error", reject);
  call.end();
  return promise;
}

test("connections on which nothing is under way hold up no end, used before or never", {
  timeout: 20_000,
}, async () => {
  const certificate = await certified();
  const listener = await listen({
    host,
    port: 0,
    tls: { certificate },
    handle: async (_request, response) => void response.end("done"),
  });
  const unused = connect({ host, port: listener.port, rejectUnauthorized: false });
  unused.on("error", () => undefined);
  await once(unused, "secureConnect");
  const agent = new Agent({ keepAlive: true });
  assert.equal(await get(listener, agent), "done");
  const ended = once(unused, "close");
  await listener.close(graceMs);
  await ended;
  agent.destroy();
});

test("an answer under way is given whole, and its connection ends with it", { timeout: 20_000 }, async () => {
  const finish = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const listener = await listen({
    host,
    port: 0,
    handle: async (_request, response) => {
      asked.resolve();
      await finish.promise;
      response.end("whole");
    },
  });
  const socket = connectPlain({ host, port: listener.port });
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  socket.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
  await asked.promise;
  const closed = listener.close(graceMs);
  const over = once(socket, "close");
  finish.resolve();
  await Promise.all([closed, over]);
  assert.match(heard, /^HTTP\/1\.1 200 OK[\s\S]*whole/);
});
