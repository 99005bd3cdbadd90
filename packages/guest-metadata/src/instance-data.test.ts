import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { hostnameOf, instanceData } from "./instance-data.ts";
import { spec } from "./testing/seed-request.ts";

const uid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const read = (text: string | undefined): unknown => parse(instanceData(uid, spec(), text));

test("without meta-data: the uid under both spellings, and the name", () => {
  assert.equal(
    instanceData(uid, spec(), undefined),
    `instance-id: "${uid}"\ninstance_id: "${uid}"\nlocal-hostname: "vm1"\n`,
  );
});

test("what the user wrote stays, whichever spelling", () => {
  assert.deepEqual(read("instance_id: mine\nlocal_hostname: db\nzone: '7'\n"), {
    "instance-id": "mine",
    instance_id: "mine",
    "local-hostname": "db",
    local_hostname: "db",
    zone: "7",
  });
  assert.deepEqual(read("instance-id: mine\n"), {
    "instance-id": "mine",
    instance_id: "mine",
    "local-hostname": "vm1",
  });
});

test("an empty instance id is none", () => {
  assert.deepEqual(read("instance_id: ''\n"), { "instance-id": uid, instance_id: uid, "local-hostname": "vm1" });
});

test("scalars are taken as they are written", () => {
  assert.equal((read("version: 0123\n") as Record<string, unknown>)["version"], "0123");
});

test("nested meta-data is refused by name, and broken YAML by place", () => {
  assert.throws(() => read("a: b\nnested: {x: y}\n"), {
    code: "METADATA_INVALID",
    message: /meta-data.*"nested".*nested/,
  });
  assert.throws(() => read("- a\n- b\n"), { code: "METADATA_INVALID" });
  assert.throws(() => read('a: "b\nc: d\n'), { code: "METADATA_INVALID", message: /meta-data.*line \d+, column \d+/ });
});

test("any name becomes a host name", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (name) => {
      assert.match(hostnameOf(name), /^(?!-)[a-z0-9-]{1,63}(?<!-)$/);
    }),
  );
  assert.equal(hostnameOf("My_Node.7"), "my-node-7");
});

test("any flat map of texts survives", () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter((word) => !/^(instance|local)-/.test(word));
  fc.assert(
    fc.property(fc.dictionary(key, fc.string({ minLength: 1, maxLength: 40 })), (given) => {
      const text = JSON.stringify(given);
      const result = read(text) as Record<string, string>;
      for (const [name, value] of Object.entries(given)) assert.equal(result[name], value);
    }),
  );
});
