import assert from "node:assert/strict";
import { test } from "node:test";
import { isComplaint } from "./kernel-build.ts";

test("what failed is told from what make says of it, and from warnings", () => {
  const complaints = [
    "net/ipv4/igmp.c:88:10: fatal error: linux/nowhere.h: No such file or directory",
    "fs/ext4/super.c:12:3: error: expected ';' before '}' token",
    "ld: vmlinux.o: undefined reference to `nowhere'",
    "/bin/sh: 1: lz4c: not found",
    "cc1: fatal error: write error: No space left on device",
  ];
  const others = [
    "make[3]: *** [scripts/Makefile.build:255: net/ipv4/igmp.o] Error 1",
    "mm/slub.c:1:1: warning: unused variable 'x'",
    "  CC      lib/errseq.o",
  ];
  for (const line of complaints) assert.ok(isComplaint(line), line);
  for (const line of others) assert.ok(!isComplaint(line), line);
});
