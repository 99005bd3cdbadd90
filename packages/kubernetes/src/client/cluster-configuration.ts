/** How a cluster is reached and who we are to it: what a kubeconfig's context or a pod's service account says, read but not yet loaded. */

/** Text that is given at once, or stands in a file that may change (and is then read again). */
export type Material = { readonly text: string } | { readonly file: string };

/** A credential plugin, as kubeconfigs name them (client.authentication.k8s.io/v1 and v1beta1). */
export interface ExecPlugin {
  readonly apiVersion: string;
  /** A name in PATH, or a path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Tells the plugin which cluster it is for. */
  readonly provideClusterInfo: boolean;
  /** Printed when the plugin is not there. */
  readonly installHint: string;
}

/** Acts as another user; needs the right to `impersonate`. */
export interface Impersonation {
  readonly user: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

export interface ClusterConfiguration {
  /** `https://host:port`, maybe with a path that goes before every other. */
  readonly server: string;
  /** PEM; absent = the system's roots. */
  readonly certificateAuthority?: Material;
  /** PEM; certificate and key go together. */
  readonly clientCertificate?: Material;
  readonly clientKey?: Material;
  readonly token?: Material;
  readonly basic?: { readonly username: string; readonly password: string };
  readonly exec?: ExecPlugin;
  readonly impersonate?: Impersonation;
  /** Name that the server's certificate must carry, when it is not the host of `server`. */
  readonly serverName?: string;
  /** Anyone may then pose as the server. Default false. */
  readonly insecureSkipTlsVerify?: boolean;
  /** `http:`, `https:` or `socks5:`. */
  readonly proxyUrl?: string;
  /** Namespace of the context or of the pod. Default "default". */
  readonly namespace: string;
}
