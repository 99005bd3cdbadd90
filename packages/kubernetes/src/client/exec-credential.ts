/**
 * Credential plugins: a program that prints a token or a client certificate, good for a while.
 *
 * Source: client.authentication.k8s.io/v1 and v1beta1, ExecCredential. The program gets no terminal: plugins that want to ask someone fail.
 */
import { execFile } from "node:child_process";
import { type Clock, PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { ClusterConfiguration, ExecPlugin } from "./cluster-configuration.ts";

export interface ExecCredential {
  readonly token?: string;
  /** PEM. */
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** Wall clock, milliseconds; absent = good until the server refuses it. */
  readonly expiresAtMs?: number;
}

/** A plugin that takes longer has hung. */
const timeoutMs = 60_000;
/** A server that refuses a credential just made will refuse the next one too. */
const runEveryMs = 10_000;
/** Renewed this long before it ends, so that no call carries a credential that ends on its way. */
const renewBeforeMs = 10_000;

const answer = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal("ExecCredential"),
  status: z.looseObject({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
  }),
});

export class ExecCredentials {
  readonly #configuration: ClusterConfiguration;
  readonly #plugin: ExecPlugin;
  readonly #clock: Clock;
  #current: ExecCredential | undefined;
  #ranAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<ExecCredential> | undefined;

  constructor(configuration: ClusterConfiguration, plugin: ExecPlugin, clock: Clock) {
    this.#configuration = configuration;
    this.#plugin = plugin;
    this.#clock = clock;
  }

  /** The credential; with `now`, a new one. Several who ask at once wait for one run. */
  async credential(now = false): Promise<ExecCredential> {
    const current = this.#current;
    const ends = current?.expiresAtMs ?? Number.POSITIVE_INFINITY;
    const isFresh = this.#clock.monotonicMs() - this.#ranAtMs < runEveryMs;
    if (current !== undefined && (isFresh || !now) && this.#clock.nowMs() < ends - renewBeforeMs) return current;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    this.#current = await this.#running;
    this.#ranAtMs = this.#clock.monotonicMs();
    return this.#current;
  }

  async #run(): Promise<ExecCredential> {
    const { command, args, env, apiVersion } = this.#plugin;
    const information = JSON.stringify({ apiVersion, kind: "ExecCredential", spec: this.#spec() });
    const options = {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: information },
      timeout: timeoutMs,
      maxBuffer: 1_048_576,
    };
    const output = await new Promise<string>((resolve, reject) => {
      const child = execFile(command, [...args], options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(this.#failed(stderr.trim().slice(-500) || error.message, error));
      });
      child.stdin?.on("error", () => undefined);
      child.stdin?.end();
    });
    return this.#read(output);
  }

  #spec(): object {
    const { server, serverName, insecureSkipTlsVerify, proxyUrl, certificateAuthority } = this.#configuration;
    if (!this.#plugin.provideClusterInfo) return { interactive: false };
    const cluster = {
      server,
      "tls-server-name": serverName,
      "insecure-skip-tls-verify": insecureSkipTlsVerify,
      "proxy-url": proxyUrl,
      "certificate-authority-data":
        certificateAuthority !== undefined && "text" in certificateAuthority
          ? Buffer.from(certificateAuthority.text).toString("base64")
          : undefined,
    };
    return { interactive: false, cluster };
  }

  #read(output: string): ExecCredential {
    const read = answer.safeParse(parsed(output));
    if (!read.success) throw this.#failed(`it did not print an ExecCredential: ${z.prettifyError(read.error)}`);
    const { apiVersion, status } = read.data;
    if (apiVersion !== this.#plugin.apiVersion) {
      throw this.#failed(`it printed ${apiVersion}, but the kubeconfig wants ${this.#plugin.apiVersion}`);
    }
    const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
    if ((clientCertificateData === undefined) !== (clientKeyData === undefined)) {
      throw this.#failed("certificate and key go together, and it printed only one of them");
    }
    if (token === undefined && clientCertificateData === undefined) {
      throw this.#failed("it printed neither a token nor a certificate");
    }
    return {
      ...(token === undefined ? {} : { token }),
      ...(clientCertificateData === undefined ? {} : { clientCertificate: clientCertificateData }),
      ...(clientKeyData === undefined ? {} : { clientKey: clientKeyData }),
      ...(expirationTimestamp === undefined ? {} : { expiresAtMs: Date.parse(expirationTimestamp) }),
    };
  }

  #failed(why: string, cause?: unknown): PlatformError {
    const { command, installHint } = this.#plugin;
    return new PlatformError("KUBERNETES_UNAUTHENTICATED", `the credential plugin ${command} failed: ${why}`, {
      ...(cause === undefined ? {} : { cause }),
      ...(installHint === "" ? {} : { remedy: installHint }),
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
