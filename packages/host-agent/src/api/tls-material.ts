/** Certificates and keys, read once at start. TLS 1.3 is the least; a client CA makes client certificates mandatory. */
import { readFile } from "node:fs/promises";
import type { SecureServerOptions } from "node:http2";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import type { TlsConfig } from "../config/agent-config.ts";

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa?: Buffer;
}

/** Throws CONFIG_INVALID naming the file that cannot be read. */
export async function readTlsMaterial(config: TlsConfig): Promise<TlsMaterial> {
  const [cert, key, clientCa] = await Promise.all([
    readPem("certificate file", config.certPath),
    readPem("certificate key file", config.keyPath),
    config.clientCaPath === undefined ? undefined : readPem("client certificate authority file", config.clientCaPath),
  ]);
  return clientCa === undefined ? { cert, key } : { cert, key, clientCa };
}

/** Options for Node's TLS servers. */
export function tlsServerOptions(material: TlsMaterial): SecureContextOptions & {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
} {
  const mutual = material.clientCa !== undefined;
  return {
    cert: material.cert,
    key: material.key,
    minVersion: "TLSv1.3",
    requestCert: mutual,
    rejectUnauthorized: mutual,
    ...(material.clientCa === undefined ? {} : { ca: material.clientCa }),
  };
}

/** grpc-js's own TLS credentials cannot say the least version; these can. */
class Tls13Credentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    const { requestCert, rejectUnauthorized, ...context } = tlsServerOptions(material);
    const constructorOptions: SecureServerOptions = { requestCert, rejectUnauthorized };
    super(constructorOptions, context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

export function grpcCredentials(material: TlsMaterial | undefined): ServerCredentials {
  return material === undefined ? ServerCredentials.createInsecure() : new Tls13Credentials(material);
}

async function readPem(subject: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const text = missing ? `${subject} ${path} does not exist` : `${subject} ${path} cannot be read`;
    throw new PlatformError("CONFIG_INVALID", text, { cause: error });
  }
}
