/**
 * Keeps one dnsmasq alive for the embedded network, across restarts of the agent.
 *
 * A process whose token says that it runs this very configuration is adopted, any other of this platform is ended. When it dies it is started again
 * (backed off). Reservations and names are files: dnsmasq notices new ones by itself (inotify) and drops deleted reservations only on SIGHUP
 * (dnsmasq(8), --dhcp-hostsdir), which makes it read all of them again: so deletions signal a little later, and many share one signal.
 */
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, watch, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { backoffDelayMs, type Clock, PlatformError, sleep, withDeadline } from "@liquidmetal/foundation";
import type { ProcessIdentity, Spawner } from "@liquidmetal/microvm";
import { DelayedReload } from "./delayed-reload.ts";
import { type DnsmasqCommand, dnsmasqCommand, dnsmasqPaths, dnsmasqTokenPrefix } from "./dnsmasq-arguments.ts";
import type { EmbeddedLayout } from "./embedded-configuration.ts";
import { withoutMask } from "./ip-address.ts";
import type { NetworkEvent } from "./network-event.ts";

export interface Reservation {
  /** Host device: names the files. */
  readonly device: string;
  readonly mac: string;
  /** IPv4, CIDR or plain. */
  readonly address: string;
  /** `<name>.<namespace>`, without the domain; absent = no name. */
  readonly hostName?: string;
}

const startTimeoutMs = 10_000;

export class Dnsmasq {
  readonly #layout: EmbeddedLayout;
  readonly #spawner: Spawner;
  readonly #clock: Clock;
  readonly #report: (event: NetworkEvent) => void;
  readonly #closing: AbortController = new AbortController();
  readonly #reloads: DelayedReload;
  #process: ProcessIdentity | undefined;
  #watching: Promise<void> | undefined;
  #starting: Promise<void> | undefined;

  constructor(layout: EmbeddedLayout, spawner: Spawner, clock: Clock, report: (event: NetworkEvent) => void) {
    this.#layout = layout;
    this.#spawner = spawner;
    this.#clock = clock;
    this.#report = report;
    this.#reloads = new DelayedReload(clock, async () => {
      if (this.#process !== undefined) await this.#spawner.signal(this.#process, "SIGHUP");
    });
  }

  /** Adopts or starts it; resolves when it serves. */
  async ensure(): Promise<void> {
    if (this.#process !== undefined && (await this.#spawner.verdict(this.#process)) === "alive") return;
    const paths = dnsmasqPaths(this.#layout);
    for (const path of [this.#layout.stateDirectory, paths.reservations, paths.names]) {
      await mkdir(path, { recursive: true, mode: 0o755 });
    }
    await this.#bringUp();
    this.#watching ??= this.#keepAlive();
  }

  /** Writes the reservation and the name. dnsmasq reads them at once. */
  async reserve(reservation: Reservation): Promise<void> {
    const { device, mac, address, hostName } = reservation;
    const paths = dnsmasqPaths(this.#layout);
    const plain = withoutMask(address);
    const changed = await place(join(paths.reservations, device), `${mac},${plain}\n`);
    const name = hostName === undefined ? "" : `${plain} ${hostName}.${this.#layout.domain}\n`;
    const renamed = name === "" ? false : await place(join(paths.names, device), name);
    // What a changed file said before stays in force until a reload.
    if (changed === "replaced" || renamed === "replaced" || this.#reloads.concerns(plain)) await this.#reloads.now();
  }

  /** Removes both files. The name is forgotten at once; the reservation at the next reload, or before its address is given to another. */
  async dismiss(device: string): Promise<void> {
    const paths = dnsmasqPaths(this.#layout);
    const reservation = await readFile(join(paths.reservations, device), "utf8").catch(() => "");
    const removed = await Promise.all([
      removeFile(join(paths.reservations, device)),
      removeFile(join(paths.names, device)),
    ]);
    if (removed.includes(true)) this.#reloads.later(reservation.trim().split(",")[1] ?? "");
  }

  /** Lets go of it; it goes on. */
  async detach(): Promise<void> {
    this.#closing.abort(new PlatformError("CANCELLED", "the agent stops"));
    await this.#reloads.flush();
    await this.#watching;
  }

  /** Ends it, with every other dnsmasq of this platform, and removes its files; the directory too, when nothing else is in it. */
  async remove(): Promise<void> {
    await this.detach();
    const prefix = dnsmasqTokenPrefix(this.#layout.platform);
    for (const process of await this.#spawner.findByTokenPrefix(prefix)) await this.#end(process);
    const { stateDirectory } = this.#layout;
    const { reservations, names, leases } = dnsmasqPaths(this.#layout);
    for (const path of [reservations, names, leases, this.#log]) await rm(path, { recursive: true, force: true });
    for (const name of await readdir(stateDirectory).catch(() => [])) {
      if (name.startsWith(prefix)) await removeFile(join(stateDirectory, name));
    }
    await rmdir(stateDirectory).catch(() => undefined);
  }

  get #log(): string {
    return join(this.#layout.stateDirectory, "dnsmasq.log");
  }

  /** Adopts one that runs, else starts one; whoever asks meanwhile gets the same. */
  async #bringUp(): Promise<void> {
    this.#starting ??= this.#adoptOrStart().finally(() => {
      this.#starting = undefined;
    });
    await this.#starting;
  }

  async #adoptOrStart(): Promise<void> {
    const command = await this.#command();
    const mine = await this.#adopt(command);
    this.#process = mine ?? (await this.#start(command));
    // Deletions that an agent before us had not passed on.
    if (mine !== undefined) await this.#reloads.now();
  }

  async #command(): Promise<DnsmasqCommand> {
    return dnsmasqCommand(
      this.#layout,
      await this.#user(),
      await upstreamResolvers(this.#layout.networkNamespace !== undefined),
    );
  }

  async #adopt(command: DnsmasqCommand): Promise<ProcessIdentity | undefined> {
    let mine: ProcessIdentity | undefined;
    for (const process of await this.#spawner.findByTokenPrefix(dnsmasqTokenPrefix(this.#layout.platform))) {
      if (process.token === command.token && mine === undefined) mine = process;
      else await this.#end(process);
    }
    return mine;
  }

  async #start(command: DnsmasqCommand): Promise<ProcessIdentity> {
    await removeFile(command.pidPath);
    const { networkNamespace, dnsmasqProgram } = this.#layout;
    const spawned = await this.#spawner.spawn({
      program: dnsmasqProgram,
      args: command.args,
      token: command.token,
      stderrPath: this.#log,
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
    });
    if (!spawned.ok) throw spawned.error;
    await this.#serving(spawned.value, command);
    return spawned.value;
  }

  /** dnsmasq writes its pid file once its sockets are open and its privileges gone. */
  async #serving(process: ProcessIdentity, command: DnsmasqCommand): Promise<void> {
    await withDeadline(
      { clock: this.#clock, timeoutMs: startTimeoutMs, waitingFor: "dnsmasq to serve" },
      async (signal) => {
        const done = new AbortController();
        const either = AbortSignal.any([signal, done.signal]);
        const written = fileWritten(command.pidPath, either);
        const ended = this.#spawner.exited(process, { signal: either }).then(
          () => "ended" as const,
          () => "gone on" as const,
        );
        const first = await Promise.race([written, ended]);
        done.abort();
        if (first === "ended") throw await this.#startFailure();
      },
    );
  }

  async #startFailure(): Promise<PlatformError> {
    const log = await readFile(this.#log, "utf8").catch(() => "");
    const last = log.trim().split("\n").slice(-2).join("; ").slice(-300);
    return new PlatformError("NETWORK_FAILED", `dnsmasq ended while it started${last === "" ? "" : `: ${last}`}`);
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted && this.#process !== undefined; ) {
      const startedMs = this.#clock.monotonicMs();
      try {
        await this.#spawner.exited(this.#process, { signal });
        if (this.#clock.monotonicMs() - startedMs > 60_000) attempt = 0;
        this.#report({ event: "network.dnsmasq.ended", fields: { attempt } });
        await sleep(
          this.#clock,
          attempt === 0 ? 0 : backoffDelayMs(attempt, 0.5, { baseMs: 200, capMs: 30_000 }),
          signal,
        );
        attempt++;
        await this.#bringUp();
      } catch (error) {
        if (signal.aborted) return;
        this.#report({ event: "network.dnsmasq.failed", fields: { reason: PlatformError.from(error).message } });
        attempt++;
        await sleep(this.#clock, backoffDelayMs(attempt, 0.5, { baseMs: 200, capMs: 30_000 }), signal).catch(
          () => undefined,
        );
      }
    }
  }

  async #end(process: ProcessIdentity): Promise<void> {
    if ((await this.#spawner.signal(process, "SIGTERM")) !== "alive") return;
    const gone = this.#spawner.exited(process);
    await withDeadline({ clock: this.#clock, timeoutMs: 2_000, waitingFor: "dnsmasq to end" }, () => gone).catch(
      async () => {
        await this.#spawner.signal(process, "SIGKILL");
        await withDeadline({ clock: this.#clock, timeoutMs: 5_000, waitingFor: "dnsmasq to die" }, () => gone);
      },
    );
  }

  /** The user it becomes: `dnsmasq` where there is one, else `nobody`; root, said aloud, where no other could reach the state directory. */
  async #user(): Promise<string> {
    if (!(await searchableByAll(this.#layout.stateDirectory))) {
      this.#report({ event: "network.dnsmasq.privileged", fields: { directory: this.#layout.stateDirectory } });
      return "root";
    }
    const users = await readFile("/etc/passwd", "utf8").catch(() => "");
    return /^dnsmasq:/m.test(users) ? "dnsmasq" : "nobody";
  }
}

/** A resolver on the host's loopback (systemd-resolved's stub) is out of reach inside a namespace: then the file that names the real ones. */
async function upstreamResolvers(inNamespace: boolean): Promise<string> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const servers = [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server ?? "");
  const outside = servers.some((server) => !server.startsWith("127.") && server !== "::1");
  return !inNamespace || outside ? "/etc/resolv.conf" : "/run/systemd/resolve/resolv.conf";
}

async function searchableByAll(directory: string): Promise<boolean> {
  for (let path = directory; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/** Writes a file whole, readable by dnsmasq's user; nothing happens when it says the same already. */
async function place(path: string, text: string): Promise<"same" | "new" | "replaced"> {
  const before = await readFile(path, "utf8").catch(() => undefined);
  if (before === text) return "same";
  // dnsmasq skips names that begin with a dot or end in a tilde, and reads what is moved in.
  const unfinished = join(dirname(path), `.${path.slice(dirname(path).length + 1)}~`);
  await writeFile(unfinished, text, { mode: 0o644 });
  await rename(unfinished, path);
  return before === undefined ? "new" : "replaced";
}

async function removeFile(path: string): Promise<boolean> {
  return await unlink(path).then(
    () => true,
    () => false,
  );
}

async function fileWritten(path: string, signal: AbortSignal): Promise<"written"> {
  const written = async (): Promise<boolean> => (await readFile(path, "utf8").catch(() => "")).trim() !== "";
  const changes = watch(dirname(path), { signal });
  const pending = changes[Symbol.asyncIterator]();
  let next = pending.next();
  next.catch(() => undefined);
  while (!(await written())) {
    await next;
    next = pending.next();
    next.catch(() => undefined);
  }
  return "written";
}
