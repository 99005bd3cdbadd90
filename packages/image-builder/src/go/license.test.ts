import assert from "node:assert/strict";
import { test } from "node:test";
import { licenseOf } from "./license.ts";

const bsd = "Redistributions in binary form must reproduce the above copyright notice.";

test("the licences of nearly all Go modules are told apart", () => {
  assert.equal(licenseOf("                 Apache License\n           Version 2.0, January 2004"), "Apache-2.0");
  assert.equal(licenseOf("Mozilla Public License, version 2.0"), "MPL-2.0");
  assert.equal(licenseOf(`${bsd} Neither the name … to endorse or\npromote products`), "BSD-3-Clause");
  assert.equal(licenseOf(bsd), "BSD-2-Clause");
  assert.equal(licenseOf("Permission is hereby granted, free of charge, to any person"), "MIT");
  assert.equal(licenseOf("Permission to use, copy, modify, and distribute this software for any purpose"), "ISC");
});

test("an unknown text is not guessed at", () => {
  assert.equal(licenseOf("All rights reserved."), undefined);
});
