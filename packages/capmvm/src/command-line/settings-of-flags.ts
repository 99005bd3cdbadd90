/** Texts of flags become settings; the first that makes no sense is the error. */
import { join } from "node:path";
import { err, ok, PlatformError, parseDurationMs, type Result } from "@liquidmetal/foundation";
import type { FlagName } from "./flags.ts";
import { type ListenAddress, parseListenAddress } from "./listen-address.ts";
import type { Settings } from "./settings.ts";
import { parseCipherSuite, parseTlsVersion } from "./tls-options.ts";

type Read = (name: FlagName) => string;

/** CONFIG_INVALID names the flag, what was given, and what it may be. */
export function settingsOf(
  read: Read,
  environment: Readonly<Record<string, string | undefined>>,
): Result<Settings, PlatformError> {
  try {
    return ok(checked(assemble(new Reader(read), environment)));
  } catch (error) {
    if (error instanceof PlatformError) return err(error);
    throw error;
  }
}

function assemble(flag: Reader, environment: Readonly<Record<string, string | undefined>>): Settings {
  const diagnostics = flag.address("diagnostics-address");
  return {
    ...given("kubeconfig", flag.text("kubeconfig") ?? (environment["KUBECONFIG"] || undefined)),
    leaderElection: {
      enabled: flag.switch("leader-elect"),
      leaseDurationMs: flag.duration("leader-elect-lease-duration"),
      renewDeadlineMs: flag.duration("leader-elect-renew-deadline"),
      retryPeriodMs: flag.duration("leader-elect-retry-period"),
      ...given("namespace", flag.text("leader-election-namespace")),
    },
    ...given("namespace", flag.text("namespace")),
    ...given("watchFilter", flag.text("watch-filter")),
    concurrency: {
      cluster: flag.count("microvmcluster-concurrency", 1),
      machine: flag.count("microvmmachine-concurrency", 1),
      machinePool: flag.count("microvmmachinepool-concurrency", 1),
      machineTemplate: flag.count("microvmmachinetemplate-concurrency", 1),
    },
    syncPeriodMs: flag.duration("sync-period"),
    deleteOrphans: flag.switch("delete-orphaned-microvms"),
    ...given("webhook", webhook(flag)),
    health: flag.address("health-addr") ?? flag.refuse("health-addr", "an address, as in :9440"),
    ...given("diagnostics", diagnostics && { ...diagnostics, insecure: flag.switch("insecure-diagnostics") }),
    ...given("profiler", flag.address("profiler-address")),
    tls: {
      minVersion:
        parseTlsVersion(flag.text("tls-min-version") ?? "") ??
        flag.refuse("tls-min-version", "VersionTLS12 or VersionTLS13"),
      cipherSuites: flag
        .list("tls-cipher-suites")
        .map((name) => parseCipherSuite(name) ?? flag.refuse("tls-cipher-suites", "names that Go's crypto/tls has")),
    },
    log: { level: flag.count("v", 0) >= 4 ? "debug" : "info", format: logFormat(flag) },
  };
}

function webhook(flag: Reader): Settings["webhook"] {
  const port = flag.port("webhook-port");
  if (port === 0) return undefined;
  const folder = flag.text("webhook-cert-dir") ?? flag.refuse("webhook-cert-dir", "a folder");
  return {
    ...given("host", flag.text("webhook-host")),
    port,
    certificatePath: join(folder, flag.text("webhook-cert-name") ?? "tls.crt"),
    keyPath: join(folder, flag.text("webhook-key-name") ?? "tls.key"),
  };
}

function logFormat(flag: Reader): "json" | "text" {
  const format = flag.text("logging-format");
  return format === "json" || format === "text" ? format : flag.refuse("logging-format", "json or text");
}

/** What client-go refuses, too: a leader that renews for longer than its lease lasts would be one of two. */
function checked(settings: Settings): Settings {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = settings.leaderElection;
  if (renewDeadlineMs >= leaseDurationMs)
    throw invalid("--leader-elect-renew-deadline has to be shorter than --leader-elect-lease-duration");
  if (retryPeriodMs * 1.2 >= renewDeadlineMs)
    throw invalid("--leader-elect-retry-period has to be shorter than --leader-elect-renew-deadline by a fifth");
  if (leaseDurationMs < 1_000) throw invalid("--leader-elect-lease-duration has to be a second at least");
  return settings;
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

function invalid(message: string): PlatformError {
  return new PlatformError("CONFIG_INVALID", message, { remedy: "see 'capmvm --help'" });
}

class Reader {
  readonly #read: Read;

  constructor(read: Read) {
    this.#read = read;
  }

  /** Undefined = empty. */
  text(name: FlagName): string | undefined {
    return this.#read(name) || undefined;
  }

  list(name: FlagName): readonly string[] {
    return this.#read(name)
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== "");
  }

  switch(name: FlagName): boolean {
    const text = this.#read(name).toLowerCase();
    if (["true", "t", "1"].includes(text)) return true;
    if (["false", "f", "0", ""].includes(text)) return false;
    return this.refuse(name, "true or false");
  }

  count(name: FlagName, least: number): number {
    const text = this.#read(name);
    const value = Number(text);
    if (!/^[0-9]{1,6}$/.test(text) || value < least) return this.refuse(name, `a whole number from ${least} on`);
    return value;
  }

  port(name: FlagName): number {
    const value = this.count(name, 0);
    return value > 65_535 ? this.refuse(name, "a port") : value;
  }

  /** Longer than nothing. */
  duration(name: FlagName): number {
    const value = parseDurationMs(this.#read(name));
    return value === undefined || value <= 0 ? this.refuse(name, "a duration, as in 10s or 1m30s") : value;
  }

  /** Undefined = none wanted: empty or 0. */
  address(name: FlagName): ListenAddress | undefined {
    const text = this.#read(name);
    if (text === "" || text === "0") return undefined;
    return parseListenAddress(text) ?? this.refuse(name, "an address, as in :9440 or 127.0.0.1:9440");
  }

  refuse(name: FlagName, wanted: string): never {
    throw invalid(`--${name} is ${JSON.stringify(this.#read(name))}, and has to be ${wanted}`);
  }
}
