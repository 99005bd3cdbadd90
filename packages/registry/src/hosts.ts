/**
 * Where a registry's images really come from: mirrors, certificates, plain HTTP.
 *
 * The configuration is containerd's own: a directory with one folder per registry, each with a `hosts.toml` (`server`, `[host."https://mirror"]` with
 * `capabilities`, `ca`, `client`, `skip_verify`, `header`, `override_path`); `_default` serves all others. Without one: HTTPS, and plain HTTP for loopback.
 */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { parse } from "smol-toml";
import { z } from "zod";
import type { TlsSettings } from "./http-request.ts";

export interface RegistryHost {
  /** Without a slash at its end; `/v2` is part of it. */
  readonly baseUrl: string;
  /** True for a mirror, which is told whose image is wanted. */
  readonly mirror: boolean;
  readonly resolves: boolean;
  /** Images may be pushed to it. */
  readonly pushes: boolean;
  readonly tls: TlsSettings;
  readonly headers: Readonly<Record<string, string>>;
}

const texts = z.union([z.string(), z.array(z.string())]);
const hostSchema = z.object({
  capabilities: z.array(z.string()).optional(),
  ca: texts.optional(),
  client: z.union([z.string(), z.array(z.union([z.string(), z.array(z.string()).min(1).max(2)]))]).optional(),
  skip_verify: z.boolean().optional(),
  header: z.record(z.string(), texts).optional(),
  override_path: z.boolean().optional(),
});
const fileSchema = hostSchema.extend({
  server: z.string().optional(),
  host: z.record(z.string(), hostSchema).optional(),
});
type HostEntry = z.output<typeof hostSchema>;

/** The hosts to ask for images of `registry`, in order; the registry itself is the last. CONFIG_INVALID names the file. */
export async function registryHosts(registry: string, configDirectory?: string): Promise<readonly RegistryHost[]> {
  const file = configDirectory === undefined ? undefined : await findFile(configDirectory, registry);
  if (file === undefined)
    return [
      { baseUrl: `${defaultServer(registry)}/v2`, mirror: false, resolves: true, pushes: true, tls: {}, headers: {} },
    ];
  let raw: unknown;
  try {
    raw = parse(file.text);
  } catch (error) {
    throw new PlatformError("CONFIG_INVALID", `${file.path}: ${(error as Error).message}`, { cause: error });
  }
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new PlatformError("CONFIG_INVALID", `${file.path}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { server, host = {}, ...own } = parsed.data;
  const mirrors = Object.entries(host).map(([url, entry]) => hostOf(url, entry, true, file.path));
  return await Promise.all([...mirrors, hostOf(server ?? defaultServer(registry), own, false, file.path)]);
}

async function findFile(directory: string, registry: string): Promise<{ path: string; text: string } | undefined> {
  // containerd also accepts `host_port_`, for file systems that have no colons.
  for (const name of [registry, registry.replace(/:(\d+)$/, "_$1_"), "_default"]) {
    const path = join(directory, name, "hosts.toml");
    try {
      return { path, text: await readFile(path, "utf8") };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        throw new PlatformError("CONFIG_INVALID", `${path} cannot be read`, { cause: error });
      }
    }
  }
  return undefined;
}

async function hostOf(text: string, entry: HostEntry, mirror: boolean, file: string): Promise<RegistryHost> {
  const withScheme = /^https?:\/\//.test(text) ? text : defaultServer(text);
  const url = URL.parse(withScheme);
  if (url === null) throw new PlatformError("CONFIG_INVALID", `${file}: '${text}' is not a URL`);
  const path = url.pathname.replace(/\/+$/, "");
  const full = entry.override_path === true ? path : path.endsWith("/v2") ? path : `${path}/v2`;
  return {
    baseUrl: `${url.protocol}//${url.host}${full}`,
    mirror,
    resolves: entry.capabilities === undefined || entry.capabilities.includes("resolve"),
    pushes: entry.capabilities === undefined || entry.capabilities.includes("push"),
    tls: await tlsOf(entry, file),
    headers: Object.fromEntries(
      Object.entries(entry.header ?? {}).map(([key, value]) => [
        key.toLowerCase(),
        typeof value === "string" ? value : value.join(", "),
      ]),
    ),
  };
}

async function tlsOf(entry: HostEntry, file: string): Promise<TlsSettings> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(resolve(dirname(file), path), "utf8");
    } catch (error) {
      throw new PlatformError("CONFIG_INVALID", `${file}: ${path} cannot be read`, { cause: error });
    }
  };
  const authorities = entry.ca === undefined ? [] : [entry.ca].flat();
  const [pair] = entry.client === undefined ? [] : [entry.client].flat(1);
  const [certificatePath, keyPath] = pair === undefined ? [] : [pair].flat();
  return {
    ...(authorities.length === 0 ? {} : { ca: await Promise.all(authorities.map(read)) }),
    ...(certificatePath === undefined
      ? {}
      : { certificate: await read(certificatePath), key: await read(keyPath ?? certificatePath) }),
    ...(entry.skip_verify === true ? { skipVerify: true } : {}),
  };
}

function defaultServer(registry: string): string {
  if (registry === "docker.io") return "https://registry-1.docker.io";
  const host = registry.replace(/:\d+$/, "");
  const loopback = host === "localhost" || /^127\.\d+\.\d+\.\d+$/.test(host) || host === "[::1]";
  return `${loopback ? "http" : "https"}://${registry}`;
}
