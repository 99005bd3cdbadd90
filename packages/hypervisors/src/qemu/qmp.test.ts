import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { systemClock } from "@liquidmetal/foundation";
import { QmpClient, type QmpEvent } from "./qmp.ts";

describe("QMP", () => {
  const folder = mkdtempSync(join(tmpdir(), "lmt-qmp-"));
  const path = join(folder, "qmp");
  let server: Server;
  let peer: Socket | undefined;
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => {
    peer?.destroy();
    server.close();
    rmSync(path, { force: true });
  });

  /** A QEMU that answers each command with what `answer` says. */
  const qemu = (
    answer: (command: { readonly execute: string; readonly id: number }) => string,
    greeting = '{"QMP":{}}',
  ): Promise<void> => {
    server = createServer((socket) => {
      peer = socket;
      socket.on("error", () => {});
      if (greeting !== "") socket.write(`${greeting}\r\n`);
      socket.on("data", (data) => {
        for (const line of data.toString().trim().split("\n")) socket.write(answer(JSON.parse(line)));
      });
    });
    return new Promise((resolve) => server.listen(path, resolve));
  };
  const connect = (onEvent: (event: QmpEvent) => void = () => {}): Promise<QmpClient> =>
    QmpClient.connect(path, { clock: systemClock, timeoutMs: 500, onEvent });
  const done = (id: number, value = "{}"): string => `{"return":${value},"id":${id}}\r\n`;

  it("matches answers by id, and passes events and rubbish by", async () => {
    await qemu(
      ({ id, execute }) =>
        `{"event":"RESET","data":{"guest":true}}\nrubbish{\n[]\nnull\n${done(id, JSON.stringify(execute))}`,
    );
    const events: QmpEvent[] = [];
    const client = await connect((event) => events.push(event));
    assert.deepEqual(await Promise.all([client.execute("one"), client.execute("two")]), ["one", "two"]);
    assert.deepEqual(events[0], { event: "RESET", data: { guest: true } });
    client.close();
  });

  it("fails with QEMU's own words", async () => {
    await qemu(({ id, execute }) =>
      execute === "bad" ? `{"error":{"class":"GenericError","desc":"no such thing"},"id":${id}}\n` : done(id),
    );
    const client = await connect();
    await assert.rejects(client.execute("bad"), { code: "HYPERVISOR_FAILED", message: "QEMU: no such thing" });
    client.close();
  });

  it("does not wait for ever: no greeting, no answer, no socket", async () => {
    await qemu(() => "", "");
    await assert.rejects(connect(), { code: "HYPERVISOR_TIMEOUT", message: /another client may hold it/ });
    server.close();
    rmSync(path, { force: true });
    await qemu(({ id, execute }) => (execute === "slow" ? "" : done(id)));
    const client = await connect();
    await assert.rejects(client.execute("slow", {}, { timeoutMs: 50 }), { code: "HYPERVISOR_TIMEOUT" });
    client.close();
    const nowhere = QmpClient.connect(join(folder, "none"), { clock: systemClock, timeoutMs: 50, onEvent: () => {} });
    await assert.rejects(nowhere, { code: "HYPERVISOR_TIMEOUT" });
  });

  it("fails what is under way when QEMU goes", async () => {
    await qemu(({ id, execute }) => {
      if (execute === "quit") peer?.destroy();
      return done(id);
    });
    const client = await connect();
    await assert.rejects(client.execute("quit"), { code: "HYPERVISOR_FAILED" });
    await client.closed;
    await assert.rejects(client.execute("more"), { code: "HYPERVISOR_FAILED" });
  });
});
