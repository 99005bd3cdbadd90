/** What the user chose for a platform; kept in the state directory, so that every later `lm up` means the same. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { PlatformPaths } from "./paths.ts";

export interface PlatformConfiguration {
  /** Program; looked up in PATH unless absolute. */
  readonly containerdProgram: string;
  /** Socket of a containerd that runs already; absent = a private one. */
  readonly containerdSocket?: string;
  /** Guests live in a network namespace of their own. */
  readonly networkNamespace: boolean;
  /** Guests may reach the outside. */
  readonly egress: boolean;
  /** CIDR; absent = a free one is chosen. */
  readonly subnet?: string;
  /** Additional TCP address of the gRPC API; absent = the Unix socket only. */
  readonly grpcEndpoint?: string;
  /** HTTP gateway; its address. */
  readonly httpEndpoint?: string;
  readonly provider?: string;
  /** Runs a Kubernetes API server with Cluster API beside the host agent. Absent: never did. */
  readonly managementPlane?: boolean;
  /** Further keys of flintlockd's configuration (docs/configuration.md), as text; none of those that the platform decides itself. */
  readonly settings?: Readonly<Record<string, string>>;
}

export const defaultConfiguration: PlatformConfiguration = {
  containerdProgram: "containerd",
  networkNamespace: true,
  egress: false,
};

export async function readConfiguration(paths: PlatformPaths): Promise<PlatformConfiguration | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(paths.configFile, "utf8"));
    if (isConfiguration(content)) return content;
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (isDenied(error)) {
      throw new PlatformError("UNAUTHENTICATED", `the platform of ${paths.stateDirectory} belongs to another user`, {
        cause: error,
        remedy: "run this with sudo",
      });
    }
    throw broken(paths, error);
  }
  throw broken(paths, new Error("it is not what 'lm up' writes"));
}

export async function writeConfiguration(paths: PlatformPaths, configuration: PlatformConfiguration): Promise<void> {
  await writeWhole(paths.configFile, `${JSON.stringify(configuration, null, 2)}\n`);
}

/** Writes a file so that a reader, or a crash, sees the old content or the new, never a part. Mode 0600. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  await writeFile(draft, content, { mode: 0o600, flush: true });
  await rename(draft, path);
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM");
}

function isConfiguration(value: unknown): value is PlatformConfiguration {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return (
    typeof fields["containerdProgram"] === "string" &&
    typeof fields["networkNamespace"] === "boolean" &&
    typeof fields["egress"] === "boolean" &&
    ["undefined", "boolean"].includes(typeof fields["managementPlane"]) &&
    isTextRecord(fields["settings"] ?? {}) &&
    ["containerdSocket", "subnet", "grpcEndpoint", "httpEndpoint", "provider"].every(
      (key) => fields[key] === undefined || typeof fields[key] === "string",
    )
  );
}

function isTextRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string");
}

function broken(paths: PlatformPaths, cause: unknown): PlatformError {
  return new PlatformError("STATE_CORRUPT", `${paths.configFile} cannot be read`, {
    cause,
    remedy: "remove this file; the next 'lm up' writes it anew from its flags",
  });
}
