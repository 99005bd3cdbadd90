/** The configuration of the host agent: command line, environment, file, defaults. */
export type * from "./agent-config.ts";
export { type CommandLine, parseCommandLine } from "./command-line.ts";
export { formatListenAddress, type ListenAddress, parseListenAddress } from "./listen-address.ts";
export {
  defaultAgentConfig,
  type Environment,
  type FileReader,
  type LoadedConfig,
  loadConfig,
  loadFor,
  type Origin,
} from "./load.ts";
export { showConfig, showVersion, type VersionInfo } from "./show.ts";
