/** A whole API over fakes, on ports of its own, for wire tests. */

import type { AgentConfig, ApiConfig } from "../config/agent-config.ts";
import { defaultAgentConfig } from "../config/load.ts";
import { silentLogger } from "../observability/logger.ts";
import { FakeApplication } from "./fake-application.ts";
import { FakeImageStore } from "./fake-image-store.ts";
import { type ApiServers, startApiServers } from "./start.ts";

export interface FakeHost extends AsyncDisposable {
  readonly application: FakeApplication;
  readonly images: FakeImageStore;
  readonly servers: ApiServers;
  /** Addresses of the first gRPC listener and of the gateway. */
  readonly grpc: string;
  readonly http: string;
  readonly config: AgentConfig;
}

export async function startFakeHost(api: Partial<ApiConfig> = {}): Promise<FakeHost> {
  const application = new FakeApplication();
  const images = new FakeImageStore();
  const defaults = defaultAgentConfig();
  const local = { kind: "tcp", host: "127.0.0.1", port: 0, loopback: true } as const;
  const config: AgentConfig = {
    ...defaults,
    api: { ...defaults.api, grpc: [local], http: local, stopTimeoutMs: 500, ...api },
  };
  const servers = await startApiServers({ application, images, config, log: silentLogger });
  return {
    application,
    images,
    servers,
    config,
    grpc: servers.addresses.grpc[0] ?? "",
    http: servers.addresses.http[0] ?? "",
    [Symbol.asyncDispose]: () => servers.stop(),
  };
}
