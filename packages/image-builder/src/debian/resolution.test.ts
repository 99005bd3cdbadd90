import assert from "node:assert/strict";
import { test } from "node:test";
import { parseInstallations } from "./resolution.ts";

test("apt's simulation is read: names, versions with epochs, architectures, several sources", () => {
  const text = [
    "Reading package lists...",
    "Inst libgmp10 (2:6.2.1+dfsg1-1.1 Debian:12.15/oldstable [amd64])",
    "Inst libc6 (2.36-9 Debian:12.15/oldstable [amd64]) []",
    "Inst linux-base:all (4.12 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [all])",
    "Inst curl [7.1] (7.2 Debian:12 [amd64])",
    "Conf libgmp10 (2:6.2.1+dfsg1-1.1 Debian:12.15/oldstable [amd64])",
  ].join("\n");
  assert.deepEqual(parseInstallations(text), [
    { name: "libgmp10", version: "2:6.2.1+dfsg1-1.1", architecture: "amd64" },
    { name: "libc6", version: "2.36-9", architecture: "amd64" },
    { name: "linux-base", version: "4.12", architecture: "all" },
    { name: "curl", version: "7.2", architecture: "amd64" },
  ]);
});
