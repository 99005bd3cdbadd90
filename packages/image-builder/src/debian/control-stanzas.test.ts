import assert from "node:assert/strict";
import { test } from "node:test";
import { controlFields, installedPackages, packageIdentity, packageUrl, splitStanzas } from "./control-stanzas.ts";

const libmount = `Package: libmount1
Status: install ok installed
Source: util-linux (2.38.1-5+deb12u3)
Version: 1:2.38.1-5
Architecture: amd64
Description: library
 Of several
 .
 lines.`;

test("stanzas are split at empty lines and read with their continued lines", () => {
  const stanzas = splitStanzas(`\n${libmount}\n\n \nPackage: two\nVersion: 1\nArchitecture: all\n\n`);
  assert.equal(stanzas.length, 2);
  const fields = controlFields(stanzas[0] ?? "");
  assert.equal(fields.get("description"), "library\nOf several\n.\nlines.");
  assert.deepEqual(packageIdentity(fields), {
    name: "libmount1",
    version: "1:2.38.1-5",
    architecture: "amd64",
    source: "util-linux",
    sourceVersion: "2.38.1-5+deb12u3",
  });
  assert.equal(packageIdentity(controlFields("Package: x")), undefined);
});

test("only installed packages of dpkg's status count", () => {
  const status = `${libmount}\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n`;
  assert.deepEqual([...installedPackages(status).keys()], ["libmount1"]);
});

test("package URLs escape what is not plain", () => {
  const identity = { name: "libstdc++6", version: "1:2~rc+b1", architecture: "amd64", source: "x", sourceVersion: "1" };
  assert.equal(packageUrl("debian", identity), "pkg:deb/debian/libstdc%2B%2B6@1%3A2~rc%2Bb1?arch=amd64");
});
