/**
 * A real Kubernetes API server for tests: etcd and kube-apiserver as processes of their own, on free ports of 127.0.0.1, in a temporary folder.
 *
 *     await using server = await startApiServer();          // about 5 s; with { controllerManager: true } about 1 s more
 *     server.kubeconfigFile                                  // admin (system:masters), holds its keys
 *     server.url, server.ca, server.cert, server.key         // the same, as PEM, for a client that is made by hand
 *     await server.kubectl(["apply", "--server-side", "-f", "-"], yamlOrJson)
 *     await server.process("kube-apiserver").restart()       // kill -9, then up again on the same port; also kill(), start(), pause(), resume()
 *
 * It is gone with the block, and with the process that started it however that ends. Several may run side by side. Logs lie in `server.directory/log` until then
 * (LM_TEST_LOGS=<folder> keeps them there); a failed start names the end of the log.
 *
 * The programs are compiled before tests run (`npm test` does it; some ten minutes on a machine that has none of them, then never again).
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ApiPlaneOptions, ManagementPlane } from "@liquidmetal/management-plane";
import { preparedPrograms } from "./management/prepared-programs.ts";

export type ApiServerOptions = Pick<ApiPlaneOptions, "controllerManager" | "apiServerArguments" | "signal">;

export interface ApiServer extends AsyncDisposable {
  readonly plane: ManagementPlane;
  readonly directory: string;
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  readonly kubeconfigFile: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** `etcd`, `kube-apiserver`, `kube-controller-manager`. */
  readonly process: ManagementPlane["process"];
  /** Runs kubectl as admin; returns what it prints. Rejects with what it says on stderr. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
}

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const programs = await preparedPrograms();
  await sweep();
  const directory = await mkdtemp(join(tmpdir(), `lm-plane-${process.pid}-`));
  try {
    const plane = await ManagementPlane.start({ ...options, directory, programs, durable: false });
    return await served(plane, directory);
  } catch (error) {
    await remove(directory);
    throw error;
  }
}

/** kubectl with any kubeconfig. */
export async function runKubectl(
  program: string,
  kubeconfigFile: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 64 * 1024 * 1024, timeout: 120_000 };
    const child = execFile(program, ["--kubeconfig", kubeconfigFile, ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`kubectl ${args.join(" ")}: ${stderr.trim() || error.message}`));
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}

async function served(plane: ManagementPlane, directory: string): Promise<ApiServer> {
  const { authority, admin } = plane.certificates;
  const [ca, cert, key] = await Promise.all(
    [authority.certificate, admin.certificate, admin.key].map((file) => readFile(file, "utf8")),
  );
  return {
    plane,
    directory,
    url: plane.url,
    kubeconfigFile: plane.kubeconfigFile,
    ca: ca ?? "",
    cert: cert ?? "",
    key: key ?? "",
    process: (name) => plane.process(name),
    kubectl: (args, input) => runKubectl(plane.programs.kubectl, plane.kubeconfigFile, args, input),
    [Symbol.asyncDispose]: async () => {
      await plane.kill();
      const kept = process.env["LM_TEST_LOGS"];
      if (kept !== undefined) await cp(join(directory, "log"), join(kept, basename(directory)), { recursive: true });
      await remove(directory);
    },
  };
}

/** Folders of test processes that were killed: their processes died with them, their files did not. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^lm-plane-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await remove(join(tmpdir(), name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is one, too.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

const remove = (directory: string): Promise<void> => rm(directory, { recursive: true, force: true, maxRetries: 5 });
