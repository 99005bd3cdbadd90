/** What `config show` and `version` print. */
import { stringify } from "yaml";
import { configKeys, keyNames } from "./keys.ts";
import type { LoadedConfig } from "./load.ts";

/** The configuration as YAML that can be used as a file again; secrets are masked. With `origin`, each line says where its value came from. */
export function showConfig({ given, origins }: LoadedConfig, origin: boolean): string {
  const lines = keyNames().map((name) => {
    const { secret } = configKeys[name];
    const value = secret && given[name] !== "" ? "********" : given[name];
    const line = stringify({ [name]: value }, { lineWidth: 0, collectionStyle: "flow", flowCollectionPadding: false });
    const bare = line.trim().replace(/^\{(.*)\}$/s, "$1");
    if (!origin) return bare;
    const { source, where } = origins[name];
    return `${bare}  # ${where === "" ? source : `${source}: ${where}`}`;
  });
  return `${lines.join("\n")}\n`;
}

export interface VersionInfo {
  readonly version: string;
  readonly commitHash: string;
  readonly buildDate: string;
}

/** Upstream's three forms. */
export function showVersion(info: VersionInfo, form: "plain" | "short" | "long"): string {
  switch (form) {
    case "short":
      return `${info.version}\n`;
    case "plain":
      return `flintlock ${info.version}\n`;
    case "long":
      return `flintlock ${info.version}\n  Version:    ${info.version}\n  CommitHash: ${info.commitHash}\n  BuildDate:  ${info.buildDate}\n`;
    default:
      return form satisfies never;
  }
}
