/** The machine itself: who we are, system, processors, memory, limits, cgroups, time. */
import { existsSync, readFileSync } from "node:fs";
import { cpus, freemem, release, totalmem } from "node:os";
import { output } from "./command.ts";
import { type Check, type Finding, fail, info, ok, warn } from "./finding.ts";

const mebibyte = 1_048_576;
const kernelMinimum = { major: 5, minor: 10 };
const openFilesMinimum = 8_192;
const inotifyMinimum = 512;

export const machineChecks: readonly Check[] = [
  { id: "machine.root", title: "Root", run: root },
  { id: "machine.system", title: "Operating system", run: system },
  { id: "machine.kernel", title: "Kernel", run: kernel },
  { id: "machine.processors", title: "Processors", run: processors },
  { id: "machine.memory", title: "Memory", run: memory },
  { id: "machine.files", title: "Open files", run: openFiles },
  { id: "machine.inotify", title: "inotify", run: inotify },
  { id: "machine.cgroups", title: "cgroups", run: cgroups },
  { id: "machine.systemd", title: "systemd", run: systemd },
  { id: "machine.time", title: "Time", run: time },
];

function root(): readonly Finding[] {
  const uid = process.getuid?.() ?? -1;
  return uid === 0
    ? [ok("machine.root", "Root", "running as root")]
    : [
        warn(
          "machine.root",
          "Root",
          `running as user ${uid}; some checks cannot look`,
          "run it with sudo; 'lm up' needs root",
        ),
      ];
}

function system(): readonly Finding[] {
  const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(read("/etc/os-release"))?.[1] ?? "unknown";
  if (process.platform !== "linux") return [fail("machine.system", "Operating system", process.platform, "use Linux")];
  return [ok("machine.system", "Operating system", `${name}, ${process.arch}`)];
}

function kernel(): readonly Finding[] {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  const old = major < kernelMinimum.major || (major === kernelMinimum.major && minor < kernelMinimum.minor);
  return [
    old
      ? warn("machine.kernel", "Kernel", release(), "use Linux 5.10 or later")
      : ok("machine.kernel", "Kernel", release()),
  ];
}

function processors(): readonly Finding[] {
  const all = cpus();
  return [ok("machine.processors", "Processors", `${all.length} × ${all[0]?.model.trim() || "unknown"}`)];
}

function memory(): readonly Finding[] {
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(read("/proc/meminfo"))?.[1] ?? freemem() / 1_024) / 1_024;
  const detail = `${Math.round(available)} of ${Math.round(totalmem() / mebibyte)} MiB available`;
  return [
    available < 512
      ? warn("machine.memory", "Memory", detail, "free some memory: a small guest takes 256 MiB")
      : ok("machine.memory", "Memory", detail),
  ];
}

function openFiles(): readonly Finding[] {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(read("/proc/self/limits"))?.[1] ?? "0";
  const few = limit !== "unlimited" && Number(limit) < openFilesMinimum;
  const detail = `at most ${limit}`;
  return [
    few
      ? warn(
          "machine.files",
          "Open files",
          detail,
          `raise the hard limit to ${openFilesMinimum} (LimitNOFILE=, limits.conf)`,
        )
      : ok("machine.files", "Open files", detail),
  ];
}

function inotify(): readonly Finding[] {
  const instances = Number(read("/proc/sys/fs/inotify/max_user_instances"));
  const watches = Number(read("/proc/sys/fs/inotify/max_user_watches"));
  const detail = `${instances} instances, ${watches} watches for each user`;
  return [
    instances < inotifyMinimum ? info("machine.inotify", "inotify", detail) : ok("machine.inotify", "inotify", detail),
  ];
}

function cgroups(): readonly Finding[] {
  const mounts = read("/proc/self/mounts")
    .split("\n")
    .map((line) => line.split(" "));
  const unified = mounts.find((fields) => fields[2] === "cgroup2")?.[1];
  const legacy = mounts.filter((fields) => fields[2] === "cgroup");
  if (unified === undefined && legacy.length === 0) {
    return [
      warn("machine.cgroups", "cgroups", "none are mounted", "mount cgroup2: guests run without limits otherwise"),
    ];
  }
  if (legacy.length === 0) {
    const controllers = read(`${unified}/cgroup.controllers`).trim();
    const missing = ["cpu", "memory", "pids"].filter((name) => !controllers.split(" ").includes(name));
    const detail = `v2 with ${controllers}`;
    return [
      missing.length > 0
        ? warn("machine.cgroups", "cgroups", detail, `enable the controllers ${missing.join(", ")}`)
        : ok("machine.cgroups", "cgroups", detail),
    ];
  }
  const names = legacy
    .flatMap((fields) => (fields[3] ?? "").split(","))
    .filter((name) => ["cpu", "memory", "pids", "cpuset", "blkio"].includes(name));
  return [
    ok(
      "machine.cgroups",
      "cgroups",
      `${unified === undefined ? "v1" : "hybrid (v1 with v2 beside it)"} with ${[...new Set(names)].join(" ")}`,
    ),
  ];
}

function systemd(): readonly Finding[] {
  return existsSync("/run/systemd/system")
    ? [ok("machine.systemd", "systemd", "runs this machine")]
    : [info("machine.systemd", "systemd", "does not run this machine; start the platform with 'lm up'")];
}

async function time({ signal }: { readonly signal: AbortSignal }): Promise<readonly Finding[]> {
  const answer = await output("timedatectl", ["show", "--property=NTPSynchronized", "--value"], signal);
  if (answer === undefined || answer.code !== 0)
    return [info("machine.time", "Time", "whether the clock is synchronized is not known")];
  return answer.text.trim() === "yes"
    ? [ok("machine.time", "Time", "the clock is synchronized")]
    : [
        warn(
          "machine.time",
          "Time",
          "the clock is not synchronized",
          "install systemd-timesyncd or chrony; certificates depend on the time",
        ),
      ];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
