/** What capmvm was told: the flags as values, checked. Durations in milliseconds; absent = not wanted, or by default. */
import type { ListenAddress } from "./listen-address.ts";

export interface Settings {
  readonly kubeconfig?: string;
  readonly leaderElection: {
    readonly enabled: boolean;
    readonly leaseDurationMs: number;
    /** Less than the lease's duration. */
    readonly renewDeadlineMs: number;
    /** Less than the renew deadline. */
    readonly retryPeriodMs: number;
    readonly namespace?: string;
  };
  /** Absent = all namespaces. */
  readonly namespace?: string;
  readonly watchFilter?: string;
  /** Keys worked on at once, by controller. */
  readonly concurrency: {
    readonly cluster: number;
    readonly machine: number;
    readonly machinePool: number;
    readonly machineTemplate: number;
  };
  readonly syncPeriodMs: number;
  readonly deleteOrphans: boolean;
  /** Absent = no webhook server. */
  readonly webhook?: {
    readonly host?: string;
    readonly port: number;
    readonly certificatePath: string;
    readonly keyPath: string;
  };
  readonly health: ListenAddress;
  readonly diagnostics?: ListenAddress & { readonly insecure: boolean };
  readonly profiler?: ListenAddress;
  readonly tls: TlsSettings;
  readonly log: {
    readonly level: "debug" | "info";
    readonly format: "json" | "text";
  };
}

export interface TlsSettings {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** As OpenSSL names them; empty = Node's defaults. */
  readonly cipherSuites: readonly string[];
}
