import assert from "node:assert/strict";
import { test } from "node:test";
import { goEnvironment } from "./environment.ts";
import { goFailure } from "./run-go.ts";

const fails = (...lines: string[]) => goFailure("build", 1, lines);

test("a module that is not what go.sum says is told apart from everything else, and named", () => {
  const error = fails(
    "verifying k8s.io/api@v0.36.3: checksum mismatch",
    "\tdownloaded: h1:bad=",
    "\tgo.sum:     h1:good=",
    "",
    "SECURITY ERROR",
  );
  assert.equal(error.code, "IMAGE_INPUT_MISMATCH");
  assert.match(error.message, /k8s\.io\/api v0\.36\.3 is not what go\.sum says.*h1:bad=.*h1:good=/);
  const database = fails(
    "go: a.org/c@v1.0.0: verifying module: checksum mismatch",
    "\tdownloaded: h1:bad=",
    "\tsum.example: h1:good=",
  );
  assert.match(database.message, /a\.org\/c v1\.0\.0 is not what the checksum database says.*h1:good=/);
  const mod = fails("go: verifying a.org/b@v1.0.0/go.mod: checksum mismatch");
  assert.match(mod.message, /a\.org\/b v1\.0\.0 is not/);
});

test("a gap in the lock, a missing network, an old Go and a full disk have remedies of their own", () => {
  assert.match(fails("go: x: missing go.sum entry for go.mod file").remedy, /lm image lock/);
  assert.match(fails("dial tcp: lookup proxy on 10.0.0.1:53: no such host").remedy, /GOPROXY/);
  assert.match(fails("go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)").remedy, /newer Go/);
  assert.equal(fails("write /tmp/x: no space left on device").code, "DISK_FULL");
});

test("the compiler's last lines are in the error", () => {
  const error = fails("# example.org/x", "./main.go:3:1: undefined: y");
  assert.equal(error.code, "IMAGE_BUILD_FAILED");
  assert.match(error.message, /go build ended with 1: # example\.org\/x\n\.\/main\.go:3:1: undefined: y/);
});

test("nothing that a user has set for their own work reaches the compiler", () => {
  const options = { architecture: "arm64", workDirectory: "/work", network: false } as const;
  const environment = goEnvironment(options);
  assert.equal(environment["GOARCH"], "arm64");
  assert.equal(environment["CGO_ENABLED"], "0");
  assert.equal(environment["GOFLAGS"], "-mod=readonly");
  assert.equal(environment["GOWORK"], "off");
  assert.equal(environment["GOTOOLCHAIN"], "local");
  assert.equal(environment["GOPROXY"], "off");
  assert.equal(goEnvironment({ ...options, network: true })["GOPROXY"], undefined);
});
