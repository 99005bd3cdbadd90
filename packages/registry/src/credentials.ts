/**
 * Credentials for registries, out of a file as `docker login` writes it (`~/.docker/config.json`).
 *
 * The file is read at every use: it may be rotated. Nothing of it is ever logged or put into an error.
 */
import { readFile } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** An OAuth2 refresh token, instead of the password. */
  readonly identityToken?: string;
}

const fileSchema = z.object({
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
export async function credentialsFor(registry: string, path: string | undefined): Promise<Credentials | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new PlatformError("CONFIG_INVALID", `registry credentials ${path} cannot be read`, { cause: error });
  }
  return parseCredentials(text, path, registry);
}

export function parseCredentials(text: string, path: string, registry: string): Credentials | undefined {
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
  const auths = parsed.data.auths ?? {};
  const key = Object.keys(auths).find((candidate) => hostOf(candidate) === registry);
  const found = key === undefined ? undefined : auths[key];
  if (found === undefined) return undefined;
  const decoded = found.auth === undefined ? "" : Buffer.from(found.auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const username = found.username ?? decoded.slice(0, Math.max(colon, 0));
  const password = found.password ?? (colon < 0 ? "" : decoded.slice(colon + 1));
  return { username, password, ...(found.identitytoken ? { identityToken: found.identitytoken } : {}) };
}

/** Keys are hosts, or URLs as Docker Hub's `https://index.docker.io/v1/`. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}
