/** `lm cluster …` run against an API server in memory and a host that only has images, with everything that it printed. */
import { Readable, Writable } from "node:stream";
import { PlatformError } from "@liquidmetal/foundation";
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import type { HostClient } from "../../client/host-client.ts";
import type { Image } from "../../client/messages.ts";
import { catalogue } from "../../commands/catalogue.ts";
import { isOutputFormat } from "../../output/format.ts";
import { bindValues, parseCommandLine } from "../../program/parse.ts";
import { resolveCommand } from "../../program/resolve.ts";
import { Session } from "../../program/session.ts";
import { fieldManager } from "../management-cluster.ts";
import { namespaces } from "../objects.ts";

export interface Ran {
  readonly out: string;
  readonly err: string;
  /** What the command ended with, where that is not 0. */
  readonly code: number | undefined;
}

export interface ClusterWorldOptions {
  readonly images?: readonly Pick<Image, "reference" | "labels">[];
  readonly env?: Readonly<Record<string, string>>;
  readonly subnet?: string;
}

export class ClusterWorld {
  readonly api: FakeCluster = new FakeCluster();
  readonly #options: ClusterWorldOptions;

  constructor(options: ClusterWorldOptions = {}) {
    this.#options = options;
    this.api.put(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  }

  /** `line`: without `lm`, words by blanks. Rejects as the command does; `during` sees stderr while it runs. */
  async run(
    line: string,
    during: { readonly signal?: AbortSignal; readonly onErr?: (text: string) => void } = {},
  ): Promise<Ran> {
    const resolved = resolveCommand(line.split(" "));
    const load = catalogue[resolved.path];
    if (load === undefined) throw new Error(`no command ${resolved.path}`);
    const { command } = await load();
    const invocation = parseCommandLine(command, bindValues(command, resolved.rest));
    let out = "";
    let err = "";
    const sink = (write: (text: string) => void): Writable =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          write(chunk.toString());
          done();
        },
      });
    const format = invocation.flags.text("output") ?? "table";
    await using session = new Session({
      terminal: {
        stdin: Readable.from([]),
        stdout: sink((text) => (out += text)),
        stderr: sink((text) => {
          err += text;
          during.onErr?.(text);
        }),
        env: { LM_STATE_DIR: "/nonexistent/lm", ...this.#options.env },
      },
      flags: invocation.flags,
      format: isOutputFormat(format) ? format : "table",
      signal: during.signal ?? new AbortController().signal,
      open: () => Promise.resolve(this.#host()),
      openManagement: (mine) =>
        Promise.resolve({
          client: this.api.client({ fieldManager }),
          namespace: mine.flags.text("namespace") ?? "default",
          local: !mine.flags.given("kubeconfig"),
          configuration: { server: "https://127.0.0.1:6443", namespace: "default", proxyUrl: "http://127.0.0.1:8123" },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        }),
    });
    const code = await command.run(invocation, session);
    return { out, err, code };
  }

  #host(): HostClient {
    const { images = [], subnet = "10.62.0.0/24" } = this.#options;
    const known: Partial<HostClient> = {
      images: () => Promise.resolve(images as readonly Image[]),
      host: () => Promise.resolve({ subnet } as Awaited<ReturnType<HostClient["host"]>>),
      close: () => undefined,
    };
    return new Proxy(known as HostClient, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name);
        if (found !== undefined || name === "then") return found;
        throw new PlatformError("INTERNAL", `a test's host has no ${String(name)}`);
      },
    });
  }
}
