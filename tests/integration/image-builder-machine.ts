/**
 * A bare QEMU microVM for the tests of the built images: nothing of the platform between the test and the guest.
 *
 * It lives in a network namespace of its own with one tap and a DHCP server, so it meets nobody's addresses and reaches nothing. Needs root,
 * qemu-system-x86, iproute2, dnsmasq-base, e2fsprogs, mtools, openssh-client, zstd.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const mac = "52:54:00:12:34:56";
const hostAddress = "10.77.0.1";

/** Unpacks both images (their layout directories) into `directory`: the kernel's files in `kernel/`, the root volume as `root.img`. */
export async function prepareDisks(
  images: { readonly kernel: { readonly layout: string }; readonly root: { readonly layout: string } },
  directory: string,
): Promise<void> {
  for (const name of ["kernel", "root"] as const) {
    await unpackLayers(images[name].layout, join(directory, name));
  }
  await run("mke2fs", ["-q", "-t", "ext4", "-d", join(directory, "root"), join(directory, "root.img"), "64M"]);
}

/** Unpacks the layers of the only image of a layout over each other into a directory, new or not; for images that remove nothing of what lies below. */
export async function unpackLayers(layout: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  const manifest = JSON.parse(await readFile(blob(index.manifests[0].digest), "utf8"));
  for (const { digest } of manifest.layers) await run("tar", ["-C", directory, "--zstd", "-xpf", blob(digest)]);
}

/** Makes `seed.img` (label cidata) with these files in its directory `liquidmetal`. */
export async function prepareSeed(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  const folder = join(directory, "liquidmetal");
  const image = join(directory, "seed.img");
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeFile(image, Buffer.alloc(2 * 1024 * 1024));
  await run("mformat", ["-i", image, "-v", "cidata", "::"]);
  await run("mcopy", ["-s", "-i", image, folder, "::"]);
}

export interface MachineOptions {
  readonly directory: string;
  /** Below the unpacked kernel image. */
  readonly kernelPath: string;
  /** Absent: none, for a kernel with all that it needs built in. */
  readonly initrdPath?: string | undefined;
  readonly extraArguments?: string;
}

/** How long a test waits for the guest to say something, boot included; emulated guests on busy machines take their time. */
const heardMs = 60_000;

export interface AgentLine {
  readonly say: (command: string) => void;
  /** The next thing that the guest says. */
  readonly hear: () => Promise<{ readonly event: string; readonly addresses: readonly string[] }>;
  readonly hangUp: () => void;
}

export class BareMachine implements AsyncDisposable {
  readonly #directory: string;
  readonly #namespace = `lmib-${randomBytes(4).toString("hex")}`;
  #dhcp: ChildProcess | undefined;
  #vmm: ChildProcess | undefined;
  #console = "";
  readonly #sockets: Socket[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(options: MachineOptions): Promise<BareMachine> {
    const machine = new BareMachine(options.directory);
    try {
      await machine.#network();
      await machine.#boot(options);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get console(): string {
    return this.#console;
  }

  /** Connects to the guest agent's port. */
  async agent(): Promise<AgentLine> {
    const socket = await this.#connect("agent.sock");
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    return {
      hangUp: () => socket.destroy(),
      say: (command) => void socket.write(`${command}\n`),
      hear: async () => {
        const signal = AbortSignal.timeout(heardMs);
        const silence = once(signal, "abort").then(() =>
          Promise.reject(new Error(`the guest is silent: ${this.#console}`)),
        );
        const line = await Promise.race([lines.next(), silence]);
        return JSON.parse(line.value ?? "null");
      },
    };
  }

  /** Types on the serial console, and resolves when the console shows `wanted`. */
  async typeUntil(text: string, wanted: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(heardMs);
    const output = this.#vmm?.stdout;
    if (output == null) throw new Error("the machine is off");
    const from = this.#console.length;
    this.#vmm?.stdin?.write(text);
    while (!wanted.test(this.#console.slice(from))) await once(output, "data", { signal });
  }

  /** Presses the power button. */
  async pressPowerButton(): Promise<void> {
    const socket = await this.#connect("qmp.sock");
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    for (const execute of ["qmp_capabilities", "system_powerdown"]) {
      await lines.next();
      socket.write(`${JSON.stringify({ execute })}\n`);
    }
    await lines.next();
  }

  /** Runs a command in the guest over ssh, as root, and returns what it wrote. */
  async ssh(address: string, identity: string, command: string): Promise<string> {
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"];
    const flags = options.flatMap((option) => ["-o", option]);
    const { stdout } = await this.#inside("ssh", ["-i", identity, ...flags, `root@${address}`, command], 20_000);
    return stdout;
  }

  /** Resolves with the VMM's exit code when it has ended by itself. */
  async ended(timeoutMs: number): Promise<number | null> {
    const vmm = this.#vmm;
    if (vmm === undefined || vmm.exitCode !== null) return vmm?.exitCode ?? null;
    const [code] = await once(vmm, "exit", { signal: AbortSignal.timeout(timeoutMs) });
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const child of [this.#vmm, this.#dhcp]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await run("ip", ["netns", "delete", this.#namespace]).catch(() => undefined);
  }

  async #network(): Promise<void> {
    await run("ip", ["netns", "add", this.#namespace]);
    const commands = [
      "link set lo up",
      "tuntap add tap0 mode tap",
      `addr add ${hostAddress}/24 dev tap0`,
      "link set tap0 up",
    ];
    for (const command of commands) await run("ip", ["-n", this.#namespace, ...command.split(" ")]);
    const flags = [
      "--keep-in-foreground",
      "--no-ping",
      "--port=0",
      "--interface=tap0",
      "--bind-interfaces",
      "--leasefile-ro",
    ];
    const files = [
      "--conf-file=/dev/null",
      "--pid-file=",
      "--user=root",
      "--dhcp-range=10.77.0.50,10.77.0.60,1h",
      "--dhcp-authoritative",
    ];
    this.#dhcp = this.#spawnInside("dnsmasq", [...flags, ...files]);
  }

  async #boot(options: MachineOptions): Promise<void> {
    const at = (name: string): string => join(this.#directory, name);
    const socket = (id: string): string => `socket,id=${id},path=${at(`${id}.sock`)},server=on,wait=off`;
    const mhz = /^cpu MHz\s*: ([\d.]+)/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1] ?? "2000";
    const append = `console=ttyS0 root=/dev/vda rw panic=-1 tsc_early_khz=${Math.round(Number(mhz) * 1000)} ${options.extraArguments ?? ""}`;
    this.#vmm = this.#spawnInside("qemu-system-x86_64", [
      ...[
        "-M",
        "microvm,x-option-roms=off,rtc=on,acpi=on",
        "-accel",
        "tcg,thread=multi,tb-size=128",
        "-cpu",
        "max",
        "-m",
        "256",
      ],
      ...["-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio"],
      ...[
        "-kernel",
        at(`kernel/${options.kernelPath}`),
        ...(options.initrdPath === undefined ? [] : ["-initrd", at(`kernel/${options.initrdPath}`)]),
        "-append",
        append,
      ],
      ...["-drive", `id=root,file=${at("root.img")},format=raw,if=none`, "-device", "virtio-blk-device,drive=root"],
      ...[
        "-drive",
        `id=seed,file=${at("seed.img")},format=raw,if=none,readonly=on`,
        "-device",
        "virtio-blk-device,drive=seed",
      ],
      ...[
        "-netdev",
        "tap,id=net,ifname=tap0,script=no,downscript=no",
        "-device",
        `virtio-net-device,netdev=net,mac=${mac}`,
      ],
      ...["-device", "virtio-rng-device", "-device", "virtio-serial-device", "-chardev", socket("agent")],
      ...[
        "-device",
        "virtserialport,chardev=agent,name=dev.liquidmetal.agent.0",
        "-qmp",
        `unix:${at("qmp.sock")},server=on,wait=off`,
      ],
    ]);
    this.#vmm.stdout?.on("data", (chunk: Buffer) => {
      this.#console += chunk.toString("latin1");
    });
  }

  async #connect(name: string): Promise<Socket> {
    const path = join(this.#directory, name);
    // The VMM makes its sockets while it starts, listens on them a moment later, and says nothing of either.
    for (const deadline = performance.now() + 10_000; ; ) {
      const socket = connect(path);
      const connected = await once(socket, "connect").catch(() => undefined);
      if (connected !== undefined) {
        this.#sockets.push(socket);
        socket.on("error", () => {});
        return socket;
      }
      if (performance.now() > deadline || this.#vmm?.exitCode !== null) throw new Error(`no ${name}: ${this.#console}`);
      await delay(10);
    }
  }

  #spawnInside(program: string, args: readonly string[]): ChildProcess {
    return spawn("ip", ["netns", "exec", this.#namespace, program, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  }

  #inside(program: string, args: readonly string[], timeout: number): Promise<{ stdout: string }> {
    return run("ip", ["netns", "exec", this.#namespace, program, ...args], { timeout });
  }
}

/** The guest's interface, for the seed's file `network`. */
export const guestMac: string = mac;
