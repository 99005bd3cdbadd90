/**
 * What every connection and every call carries, as of now: roots, client certificate, token. Files are read again when they change and
 * plugins run again when what they gave ends, so that nothing has to be restarted for a rotation.
 */
import { createHash } from "node:crypto";
import type { Clock } from "@liquidmetal/foundation";
import { ChangingFile } from "./changing-file.ts";
import type { ClusterConfiguration, Impersonation, Material } from "./cluster-configuration.ts";
import { ExecCredentials } from "./exec-credential.ts";

export interface CurrentCredentials {
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** To send with each call. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Changes exactly when new connections must be made differently. */
  readonly tlsIdentity: string;
}

type Source = (now: boolean) => Promise<string | undefined>;

export class Credentials {
  readonly #configuration: ClusterConfiguration;
  readonly #ca: Source;
  readonly #cert: Source;
  readonly #key: Source;
  readonly #token: Source;
  readonly #exec: ExecCredentials | undefined;
  #material: readonly (string | undefined)[] = [];
  #tlsIdentity = "none";

  constructor(configuration: ClusterConfiguration, clock: Clock) {
    const { certificateAuthority, clientCertificate, clientKey, token, exec } = configuration;
    this.#configuration = configuration;
    this.#ca = sourceOf(certificateAuthority, clock);
    this.#cert = sourceOf(clientCertificate, clock);
    this.#key = sourceOf(clientKey, clock);
    this.#token = sourceOf(token, clock);
    this.#exec = exec === undefined ? undefined : new ExecCredentials(configuration, exec, clock);
  }

  /** With `now`, files are looked at and plugins run even if that was done a moment ago: for when the server says no. */
  async current(now = false): Promise<CurrentCredentials> {
    const exec = await this.#exec?.credential(now);
    const [ca, cert, key, token] = await Promise.all([
      this.#ca(now),
      exec?.clientCertificate ?? this.#cert(now),
      exec?.clientKey ?? this.#key(now),
      exec?.token ?? this.#token(now),
    ]);
    const material = [ca, cert, key];
    if (!material.every((part, index) => part === this.#material[index])) {
      this.#material = material;
      this.#tlsIdentity = createHash("sha256").update(JSON.stringify(material)).digest("hex");
    }
    const tlsIdentity = this.#tlsIdentity;
    return {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      headers: { ...this.#authorization(token?.trim()), ...impersonationHeaders(this.#configuration.impersonate) },
      tlsIdentity,
    };
  }

  #authorization(token: string | undefined): Record<string, string> {
    const { basic } = this.#configuration;
    if (token !== undefined) return { authorization: `Bearer ${token}` };
    if (basic === undefined) return {};
    return { authorization: `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString("base64")}` };
  }
}

function sourceOf(material: Material | undefined, clock: Clock): Source {
  if (material === undefined) return async () => undefined;
  if ("text" in material) return async () => material.text;
  const file = new ChangingFile(material.file, clock);
  return (now) => file.text(now);
}

function impersonationHeaders(impersonate: Impersonation | undefined): Record<string, string | string[]> {
  if (impersonate === undefined) return {};
  const { user, uid, groups, extra } = impersonate;
  const extras = Object.entries(extra).map(([name, values]) => [
    `impersonate-extra-${encodeURIComponent(name)}`,
    [...values],
  ]);
  return {
    "impersonate-user": user,
    ...(uid === undefined ? {} : { "impersonate-uid": uid }),
    ...(groups.length === 0 ? {} : { "impersonate-group": [...groups] }),
    ...Object.fromEntries(extras),
  };
}
