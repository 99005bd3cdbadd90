import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { metaData, vendorData } from "./cloud-init.ts";

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
const awkward = fc.constantFrom(
  "null",
  "true",
  "false",
  "no",
  "1e-5",
  "0x10",
  "0o17",
  "12",
  "1.5",
  "e",
  "on",
  "y",
  "2026-11-23",
  "a.b",
  "a: b",
  "#c",
  "",
);
const text = fc.oneof(name, awkward, fc.uuid(), fc.string());
const endpoint = fc.oneof(
  fc.ipV4().map((address) => `${address}:9090`),
  fc.constant("[fd00::11]:9090"),
  fc.domain().map((host) => `${host}:9090`),
  text,
);

test("meta-data says what was given, to the letter as the YAML library writes it", () => {
  fc.assert(
    fc.property(text, endpoint, text, (hostname, host, identity) => {
      const written = metaData({ hostname, endpoint: host, identity });
      const read = parse(written);
      assert.deepEqual(Object.values(read).sort(), [hostname, host, identity, "liquid_metal"].sort());
      assert.equal(written, stringify(read, { lineWidth: 0 }));
    }),
    { numRuns: 500 },
  );
});

test("vendor-data names the machine and its users, however many machines were asked for before", () => {
  fc.assert(
    fc.property(
      text,
      fc.array(fc.record({ user: name, authorizedKeys: fc.array(name, { minLength: 1, maxLength: 2 }) }), {
        maxLength: 2,
      }),
      (hostname, sshPublicKeys) => {
        const written = vendorData({ hostname, sshPublicKeys });
        assert.ok(written.startsWith("#cloud-config\n"));
        const read = parse(written);
        assert.equal(read.hostname, hostname);
        assert.deepEqual(
          read.users,
          sshPublicKeys.length === 0
            ? undefined
            : sshPublicKeys.map(({ user, authorizedKeys }) => ({ name: user, ssh_authorized_keys: authorizedKeys })),
        );
        assert.equal(written, `#cloud-config\n${stringify(read, { lineWidth: 0 })}`);
      },
    ),
    { numRuns: 300 },
  );
});
