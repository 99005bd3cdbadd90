/**
 * Kubeconfig files: which cluster, as whom. Several files are merged as kubectl does: the first that states a name wins.
 *
 * Relative paths are meant from the file's own folder. Source: k8s.io/client-go/tools/clientcmd (api/v1/types.go, loader.go).
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { parse } from "yaml";
import type { ClusterConfiguration, ExecPlugin, Material } from "./cluster-configuration.ts";
import { type Kubeconfig, type KubeconfigCluster, type KubeconfigUser, readKubeconfig } from "./kubeconfig-schema.ts";

export interface KubeconfigOptions {
  /** One file, or several as in KUBECONFIG. Default: KUBECONFIG, else ~/.kube/config. */
  readonly path?: string;
  /** Default: the current context. */
  readonly context?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface Found<T> {
  readonly value: T;
  readonly file: string;
}

/** Throws KUBECONFIG_INVALID, naming file and field. */
export async function loadKubeconfig(options: KubeconfigOptions = {}): Promise<ClusterConfiguration> {
  const files = await readAll(pathsOf(options));
  const named = <T>(list: (file: (typeof files)[number]) => readonly ({ name: string } & T)[], name: string) =>
    files
      .flatMap((file) => list(file).map((value) => ({ value, file: file.path })))
      .find(({ value }) => value.name === name);
  const where = files.map(({ path }) => path).join(", ");
  const current = options.context ?? files.map((file) => file.content["current-context"]).find((name) => name !== "");
  if (current === undefined) throw invalid(where, "current-context", "is not set, and no context was named");
  const context = named(({ content }) => content.contexts, current)?.value.context;
  if (context === undefined) throw invalid(where, "contexts", `has no "${current}"`);
  const cluster = named(({ content }) => content.clusters, context.cluster);
  if (cluster === undefined)
    throw invalid(where, "clusters", `has no "${context.cluster}", which context "${current}" names`);
  const user = context.user === "" ? undefined : named(({ content }) => content.users, context.user);
  if (user === undefined && context.user !== "") {
    throw invalid(where, "users", `has no "${context.user}", which context "${current}" names`);
  }
  return {
    ...clusterPart({ value: cluster.value.cluster, file: cluster.file }, cluster.value.name),
    ...(user === undefined ? {} : userPart({ value: user.value.user, file: user.file }, user.value.name)),
    namespace: context.namespace || "default",
  };
}

function pathsOf(options: KubeconfigOptions): readonly string[] {
  const { environment = process.env } = options;
  const list = options.path || environment["KUBECONFIG"] || join(environment["HOME"] ?? homedir(), ".kube/config");
  return [...new Set(list.split(delimiter).filter((path) => path !== ""))];
}

/** Of several files, those that are not there do not count. */
async function readAll(paths: readonly string[]): Promise<readonly { path: string; content: Kubeconfig }[]> {
  const files = await Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT" && paths.length > 1) return undefined;
        throw new PlatformError("KUBECONFIG_INVALID", `${path} cannot be read: ${error.message}`, { cause: error });
      });
      return text === undefined ? [] : [{ path, content: readOne(path, text) }];
    }),
  );
  if (files.flat().length > 0) return files.flat();
  throw new PlatformError("KUBECONFIG_INVALID", `none of ${paths.join(", ")} is there`);
}

function readOne(path: string, text: string): Kubeconfig {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new PlatformError("KUBECONFIG_INVALID", `${path} is not YAML: ${String(error)}`, { cause: error });
  }
  const read = readKubeconfig(value);
  if (read.ok) return read.value;
  throw invalid(path, read.error.field || "the file", `cannot be used: ${read.error.why}`);
}

function clusterPart({ value, file }: Found<KubeconfigCluster>, name: string): Omit<ClusterConfiguration, "namespace"> {
  const field = (key: string): string => `clusters."${name}".cluster.${key}`;
  if (!URL.canParse(value.server)) throw invalid(file, field("server"), `"${value.server}" is not a URL`);
  const authority = material(value, "certificate-authority", file, field);
  const insecure = value["insecure-skip-tls-verify"];
  if (insecure && authority !== undefined) {
    throw invalid(file, field("insecure-skip-tls-verify"), "makes no sense together with a certificate authority");
  }
  const proxy = value["proxy-url"];
  if (proxy !== "" && !(URL.canParse(proxy) && /^(https?|socks5h?):$/.test(new URL(proxy).protocol))) {
    throw invalid(file, field("proxy-url"), `"${proxy}" is not a URL of a http, https or socks5 proxy`);
  }
  return {
    server: value.server,
    insecureSkipTlsVerify: insecure,
    ...(authority === undefined ? {} : { certificateAuthority: authority }),
    ...(value["tls-server-name"] === "" ? {} : { serverName: value["tls-server-name"] }),
    ...(proxy === "" ? {} : { proxyUrl: proxy }),
  };
}

function userPart({ value, file }: Found<KubeconfigUser>, name: string): Partial<ClusterConfiguration> {
  const field = (key: string): string => `users."${name}".user.${key}`;
  if (value["auth-provider"] !== undefined) {
    throw invalid(file, field("auth-provider"), "was removed from Kubernetes: use a credential plugin (exec)");
  }
  const certificate = material(value, "client-certificate", file, field);
  const key = material(value, "client-key", file, field);
  if ((certificate === undefined) !== (key === undefined)) {
    throw invalid(
      file,
      field(certificate === undefined ? "client-certificate" : "client-key"),
      "is missing: certificate and key go together",
    );
  }
  // A file wins over a token in the kubeconfig, as in client-go.
  const { tokenFile, token, username, password, as: user, exec } = value;
  return {
    ...(certificate === undefined ? {} : { clientCertificate: certificate }),
    ...(key === undefined ? {} : { clientKey: key }),
    ...(tokenFile !== "" ? { token: { file: from(file, tokenFile) } } : token !== "" ? { token: { text: token } } : {}),
    ...(username === "" ? {} : { basic: { username, password } }),
    ...(exec === undefined ? {} : { exec: plugin(exec, file) }),
    ...(user === ""
      ? {}
      : {
          impersonate: {
            user,
            groups: value["as-groups"],
            extra: value["as-user-extra"],
            ...(value["as-uid"] === "" ? {} : { uid: value["as-uid"] }),
          },
        }),
  };
}

function plugin(exec: NonNullable<KubeconfigUser["exec"]>, file: string): ExecPlugin {
  const { apiVersion, command, args, env, installHint, provideClusterInfo } = exec;
  return {
    apiVersion,
    command: command.includes("/") ? from(file, command) : command,
    args,
    env: Object.fromEntries(env.map(({ name, value }) => [name, value])),
    provideClusterInfo,
    installHint,
  };
}

/** The text at `name`-data (base64, wins) or the file at `name`. */
function material<K extends string>(
  value: Readonly<Record<K | `${K}-data`, string>>,
  name: K,
  file: string,
  field: (key: string) => string,
): Material | undefined {
  const data: string = value[`${name}-data`];
  const path: string = value[name];
  if (data === "") return path === "" ? undefined : { file: from(file, path) };
  const text = Buffer.from(data, "base64").toString("utf8");
  if (text.includes("-----BEGIN ")) return { text };
  throw invalid(file, field(`${name}-data`), "is not base64 of PEM");
}

function from(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

function invalid(file: string, field: string, why: string): PlatformError {
  return new PlatformError("KUBECONFIG_INVALID", `${file}: ${field} ${why}`);
}
