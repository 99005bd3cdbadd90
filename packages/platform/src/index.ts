/** The embedded platform: a private containerd and flintlockd under a small supervisor. Light: what is heavy is in the lifecycle entry. */

export { clusterNetworkSettings, ownedKeys } from "./agent-config.ts";
export {
  defaultConfiguration,
  type PlatformConfiguration,
  readConfiguration,
  writeConfiguration,
} from "./configuration.ts";
export { type PlatformPaths, platformPaths } from "./paths.ts";
