/** How Go names the program of a package: the last element of its path that is no major version, as in `server` for `go.etcd.io/etcd/server/v3`. */
export function programName(importPath: string): string {
  const parts = importPath.split("/");
  const last = parts.at(-1) ?? "";
  return parts.length > 1 && /^v[0-9]+$/.test(last) ? (parts.at(-2) ?? last) : last;
}

/** The import path of a package as a recipe writes it: `./cmd/x` and `.` belong to `module`, anything else is an import path already. */
export function importPath(module: string, written: string): string {
  if (written === "." || written === "./") return module;
  return written.startsWith("./") ? `${module}/${written.slice(2).replace(/\/$/, "")}` : written;
}
