/** The configuration of the host agent: command line, environment, file, defaults. */
export type * from "./agent-config.ts";
export { parseCommandLine } from "./command-line.ts";
export { formatListenAddress, type ListenAddress } from "./listen-address.ts";
export { type LoadedConfig, loadFor } from "./load.ts";
export { showConfig, showVersion, type VersionInfo } from "./show.ts";
