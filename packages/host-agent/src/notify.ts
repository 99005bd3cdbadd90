/**
 * Tells systemd how the agent is (`sd_notify(3)`): ready, status, watchdog, stopping. Does nothing where systemd did not start us.
 *
 * Node has no Unix datagram sockets, so the `systemd-notify` program speaks for us; the unit allows it by `NotifyAccess=all`. The watchdog is fed
 * only while `healthy` holds: an agent whose work stands still is restarted, and its guests live on.
 */
import { spawn } from "node:child_process";

export interface NotifierOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** False when the agent makes no progress any more. */
  readonly healthy: () => boolean;
  /** Program. Default `systemd-notify`. */
  readonly program?: string;
}

export interface Notifier {
  /** The service is up; `status` is what `systemctl status` shows. Starts to feed the watchdog, where the unit has one. */
  ready(status: string): void;
  status(text: string): void;
  stopping(): void;
}

/** A notification that has not been taken by then is given up, milliseconds. */
const patienceMs = 5_000;

export function createNotifier(options: NotifierOptions): Notifier {
  const { environment, healthy, program = "systemd-notify" } = options;
  const socket = environment["NOTIFY_SOCKET"];
  if (socket === undefined || socket === "") return { ready: () => {}, status: () => {}, stopping: () => {} };
  const env = { PATH: environment["PATH"] ?? "/usr/bin:/bin", NOTIFY_SOCKET: socket };
  let watchdog: NodeJS.Timeout | undefined;
  let feeding = false;
  const tell = (...args: readonly string[]): void => {
    const child = spawn(program, [...args], { env, stdio: "ignore", timeout: patienceMs, killSignal: "SIGKILL" });
    // Without the program systemd takes its own measures; there is nobody else to tell.
    child.once("error", () => undefined);
    child.once("close", () => {
      feeding = false;
    });
    child.unref();
  };
  const feed = (): void => {
    if (feeding || !healthy()) return;
    feeding = true;
    tell("WATCHDOG=1");
  };
  return {
    ready: (text) => {
      tell("READY=1", `STATUS=${oneLine(text)}`);
      const periodMs = watchdogPeriodMs(environment);
      if (periodMs === undefined || watchdog !== undefined) return;
      // Thrice a period: one that comes late costs nothing.
      watchdog = setInterval(feed, periodMs / 3);
      watchdog.unref();
    },
    status: (text) => tell(`STATUS=${oneLine(text)}`),
    stopping: () => {
      clearInterval(watchdog);
      tell("STOPPING=1");
    },
  };
}

/** The unit's WatchdogSec in milliseconds, when it is meant for this process. */
function watchdogPeriodMs(environment: NotifierOptions["environment"]): number | undefined {
  const meant = environment["WATCHDOG_PID"];
  if (meant !== undefined && meant !== "" && meant !== String(process.pid)) return undefined;
  const periodUs = Number(environment["WATCHDOG_USEC"]);
  return Number.isFinite(periodUs) && periodUs > 0 ? periodUs / 1_000 : undefined;
}

const oneLine = (text: string): string => text.replaceAll(/[\r\n]+/g, " ").slice(0, 200);
