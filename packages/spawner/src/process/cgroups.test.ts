import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hierarchiesOf } from "./cgroups.ts";

describe("cgroup hierarchies", () => {
  it("are found on version 1 and hybrid machines, by what they can limit", () => {
    const mountinfo = [
      "30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct",
      "31 23 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
      "32 23 0:28 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer",
      "33 23 0:29 / /nonexistent/unified rw,relatime - cgroup2 cgroup2 rw",
      "34 23 0:30 / /sys rw - sysfs sysfs rw",
    ].join("\n");
    assert.deepEqual(hierarchiesOf(mountinfo), [
      { version: 1, path: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu"] },
      { version: 1, path: "/sys/fs/cgroup/memory", controllers: ["memory"] },
    ]);
  });

  it("are none on a machine without", () => {
    assert.deepEqual(hierarchiesOf(""), []);
  });
});
