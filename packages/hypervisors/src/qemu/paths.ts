/** Where QEMU's files and sockets of one microVM lie. */
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Machine } from "@liquidmetal/microvm";

export interface QemuPaths {
  readonly control: string;
  readonly console: string;
  readonly agent: string;
  readonly consoleLog: string;
  readonly vmmLog: string;
  readonly pidFile: string;
}

/** Longest path of a Unix socket, sun_path without its NUL. */
const socketBytesMax = 107;

export function qemuPaths(machine: Machine): QemuPaths {
  const socket = (name: string): string => {
    const path = join(machine.runDirectory, name);
    if (Buffer.byteLength(path) > socketBytesMax) {
      throw new PlatformError(
        "CONFIG_INVALID",
        `the path ${path} is too long for a socket; choose a shorter run directory`,
      );
    }
    return path;
  };
  return {
    control: socket("qmp"),
    console: socket("console"),
    agent: socket("agent"),
    consoleLog: join(machine.directory, "console.log"),
    vmmLog: join(machine.directory, "vmm.log"),
    pidFile: join(machine.directory, "qemu.pid"),
  };
}
