/**
 * How Go is run here: nothing that a user has set for their own work may change a compiled program. Where modules come from and where they and
 * compiled packages are kept (GOPROXY, GOPRIVATE, GOMODCACHE, GOCACHE, …) stays theirs.
 */
import { join } from "node:path";
import type { Architecture } from "../steps/step-kind.ts";

export interface GoEnvironmentOptions {
  readonly architecture: Architecture;
  /** For Go's temporary files: an existing folder that is removed after the run. */
  readonly workDirectory: string;
  /** Modules may be fetched. */
  readonly network: boolean;
  /** Default readonly: a module that the lock does not know is refused. */
  readonly mod?: "readonly" | "mod";
}

export function goEnvironment(options: GoEnvironmentOptions): Readonly<Record<string, string>> {
  const homeless = process.env["HOME"] === undefined && process.env["GOCACHE"] === undefined;
  return {
    CGO_ENABLED: "0",
    GOOS: "linux",
    GOARCH: options.architecture,
    GOAMD64: "v1",
    GOARM64: "v8.0",
    GO111MODULE: "on",
    GOWORK: "off",
    GOTOOLCHAIN: "local",
    // An empty GOFLAGS would fall back to what `go env -w` has stored.
    GOFLAGS: `-mod=${options.mod ?? "readonly"}`,
    GODEBUG: "",
    GOTMPDIR: options.workDirectory,
    ...(!options.network && { GOPROXY: "off" }),
    ...(homeless && {
      GOCACHE: join(options.workDirectory, "go-build"),
      GOPATH: join(options.workDirectory, "go-path"),
    }),
  };
}
