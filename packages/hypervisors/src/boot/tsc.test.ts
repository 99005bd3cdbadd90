import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isRateOfTsc } from "./tsc.ts";

const cpuinfo = (flags: string): string =>
  `processor\t: 0\ncpu MHz\t\t: 2596.138\nflags\t\t: fpu ${flags} sse\nbugs\t\t:\n`;

describe("the rate of the TSC", () => {
  it("is known where the hypervisor below has told it", () => {
    assert.equal(isRateOfTsc(cpuinfo("constant_tsc tsc_known_freq hypervisor")), true);
  });

  it("is a guess on metal, and where the shown rate is that of the moment", () => {
    assert.equal(isRateOfTsc(cpuinfo("constant_tsc nonstop_tsc")), false);
    assert.equal(isRateOfTsc(cpuinfo("constant_tsc tsc_known_freq hypervisor aperfmperf")), false);
    assert.equal(isRateOfTsc(cpuinfo("tsc_known_freq hypervisor")), false);
    assert.equal(isRateOfTsc(""), false);
  });
});
