import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { authorizedKeys, plainFiles } from "./plain-files.ts";
import { made, spec } from "./testing/seed-request.ts";

const instance = { "instance-id": "i-1", "local-hostname": "vm1" };

test("the facts as lines", () => {
  const interfaces = [
    made(),
    made({
      guestMac: "02:00:00:00:00:02",
      dhcp: false,
      addresses: ["10.0.0.7/24"],
      gateway: "10.0.0.1",
      nameservers: ["10.0.0.2", "10.0.0.3"],
    }),
    made({ guestMac: "02:00:00:00:00:03", dhcp: false, addresses: ["10.1.0.7/24"], nameservers: ["10.0.0.2"] }),
    made({ guestMac: "02:00:00:00:00:04", dhcp: false, addresses: ["10.2.0.7/24"] }),
  ];
  const data = { id: "d", readOnly: false, mountPoint: "/data", source: { kind: "image", image: "d:1" } } as const;
  const files = plainFiles({
    spec: spec({ additionalVolumes: [data] }),
    interfaces,
    instance,
    userData: "#!/bin/sh\necho hi\n",
  });
  assert.deepEqual(files, {
    hostname: "vm1\n",
    "instance-id": "i-1\n",
    network:
      "52:54:00:12:34:56 dhcp\n02:00:00:00:00:02 static 10.0.0.7/24 10.0.0.1 10.0.0.2,10.0.0.3\n" +
      "02:00:00:00:00:03 static 10.1.0.7/24 - 10.0.0.2\n02:00:00:00:00:04 static 10.2.0.7/24\n",
    mounts: "/dev/vdb /data auto defaults,nofail\n",
    "user-data": "#!/bin/sh\necho hi\n",
  });
});

test("ssh keys of the top and of users, each once", () => {
  const userData = `## template: jinja
#cloud-config
ssh_authorized_keys: [ssh-ed25519 AAA one, "ssh-ed25519 BBB two"]
users:
  - default
  - name: root
    ssh_authorized_keys: ["ssh-ed25519 BBB two", "ssh-ed25519 CCC three"]
  - name: x
    ssh_authorized_keys: ssh-ed25519 DDD four
`;
  assert.deepEqual(authorizedKeys(userData), [
    "ssh-ed25519 AAA one",
    "ssh-ed25519 BBB two",
    "ssh-ed25519 CCC three",
    "ssh-ed25519 DDD four",
  ]);
});

test("a key with a line break in it is none, and never two", () => {
  assert.deepEqual(authorizedKeys('#cloud-config\nssh_authorized_keys: ["ssh-rsa A\\ncommand=evil ssh-rsa B"]\n'), []);
});

test("whatever the user data is, asking it for keys ends well", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      for (const key of authorizedKeys(`#cloud-config\n${text}`)) assert.ok(!/[\r\n]/.test(key));
    }),
  );
});

test("a mount point with white space is not put into lines", () => {
  const odd = { id: "d", readOnly: false, mountPoint: "/a b", source: { kind: "image", image: "d:1" } } as const;
  assert.equal(
    plainFiles({ spec: spec({ additionalVolumes: [odd] }), interfaces: [], instance, userData: undefined })["mounts"],
    undefined,
  );
});
