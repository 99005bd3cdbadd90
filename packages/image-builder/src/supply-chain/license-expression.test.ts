import assert from "node:assert/strict";
import { test } from "node:test";
import { debianLicense, licenseReferences, readLicense } from "./license-expression.ts";

test("expressions are taken, with their spaces put right", () => {
  for (const [text, expected] of [
    ["MIT", "MIT"],
    ["  ( MIT  OR Apache-2.0 )AND Zlib ", "(MIT OR Apache-2.0) AND Zlib"],
    ["GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"],
    ["GPL-2.0+", "GPL-2.0+"],
    ["LicenseRef-own", "LicenseRef-own"],
  ] as const) {
    assert.equal(readLicense(text), expected);
  }
});

test("what is none is not taken", () => {
  for (const text of [
    "",
    "MIT AND",
    "AND MIT",
    "(MIT",
    "MIT)",
    "MIT Zlib",
    "GPL v2",
    "MIT/X11",
    "a+b",
    "()",
    "MIT and X",
  ])
    assert.equal(readLicense(text), undefined, text);
  assert.equal(readLicense(`MIT${" AND MIT".repeat(10_000)}`), undefined);
});

const bashLike = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: example

Files: *
Copyright: 1987-2014 Someone
License: GPL-3+

Files: doc/*
Copyright: 1988 Someone
License: GFDL-1.3 and GPL-2 or Expat
 Permission is granted.

Files: src/*
Copyright: 1988 Someone
License: GPL-2+ with OpenSSL exception

Files: more/*
License: GPL-3+

License: GPL-3+
 On Debian systems see /usr/share/common-licenses/GPL-3.

License: Never-Used
 Text.
`;

test("a machine-readable Debian copyright file is all that its files are under", () => {
  const license = debianLicense(bashLike);
  assert.equal(
    license,
    "(GFDL-1.3-only AND GPL-2.0-only OR MIT) AND GPL-3.0-or-later AND LicenseRef-debian-GPL-2-or-later-with-OpenSSL-exception",
  );
  assert.deepEqual(licenseReferences([license ?? "", "LicenseRef-b", "LicenseRef-b OR MIT"]), [
    "LicenseRef-b",
    "LicenseRef-debian-GPL-2-or-later-with-OpenSSL-exception",
  ]);
});

test("prose asserts nothing", () => {
  assert.equal(debianLicense("This package was debianized by Someone.\n\nLicense: GPL-2\n"), undefined);
  assert.equal(debianLicense("Format: 1.0\n\nFiles: *\nCopyright: x\n"), undefined);
});
