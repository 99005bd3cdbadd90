/**
 * Credentials for registries, out of a file as `docker login` writes it (`~/.docker/config.json`), or from the helper program that the file names.
 *
 * The file is read at every use: it may be rotated. Nothing of it is ever logged or put into an error.
 */
import { readFile } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import { askHelper } from "./credential-helper.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** An OAuth2 refresh token, instead of the password. */
  readonly identityToken?: string;
}

export interface CredentialOptions {
  /** Programs that the file names may be run. Default false. */
  readonly helpers?: boolean;
  /** Where helpers are looked for, in PATH's form. Default: PATH. */
  readonly helperPath?: string;
  readonly signal?: AbortSignal | undefined;
}

const fileSchema = z.object({
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .optional(),
});

/** Undefined = none for this registry. CONFIG_INVALID when the file is there and is no such file. */
export async function credentialsFor(
  registry: string,
  path: string | undefined,
  options: CredentialOptions = {},
): Promise<Credentials | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new PlatformError("CONFIG_INVALID", `registry credentials ${path} cannot be read`, { cause: error });
  }
  const helper = options.helpers === true ? helperFor(parseFile(text, path), registry) : undefined;
  const helped = helper === undefined ? undefined : await askHelper(helper, registry, options);
  return helped ?? parseCredentials(text, path, registry);
}

function helperFor(
  { credHelpers = {}, credsStore }: z.output<typeof fileSchema>,
  registry: string,
): string | undefined {
  const key = Object.keys(credHelpers).find((candidate) => hostOf(candidate) === registry);
  return (key === undefined ? undefined : credHelpers[key]) ?? credsStore;
}

export function parseCredentials(text: string, path: string, registry: string): Credentials | undefined {
  const auths = parseFile(text, path).auths ?? {};
  const key = Object.keys(auths).find((candidate) => hostOf(candidate) === registry);
  const found = key === undefined ? undefined : auths[key];
  if (found === undefined) return undefined;
  const decoded = found.auth === undefined ? "" : Buffer.from(found.auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const username = found.username ?? decoded.slice(0, Math.max(colon, 0));
  const password = found.password ?? (colon < 0 ? "" : decoded.slice(colon + 1));
  // What a helper keeps leaves an empty entry behind.
  if (username === "" && password === "" && !found.identitytoken) return undefined;
  return { username, password, ...(found.identitytoken ? { identityToken: found.identitytoken } : {}) };
}

function parseFile(text: string, path: string): z.output<typeof fileSchema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds secrets.
    throw new PlatformError("CONFIG_INVALID", `registry credentials ${path} are not JSON`);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success)
    throw new PlatformError("CONFIG_INVALID", `registry credentials ${path} are not of docker's form`);
  return parsed.data;
}

/** Keys are hosts, or URLs as Docker Hub's `https://index.docker.io/v1/`. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}
