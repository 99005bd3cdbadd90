/** The standard health service. Health is liveness by progress, as the application tells it; every service of ours shares it. */
import { create } from "@bufbuild/protobuf";
import { Host, Images, MicroVM } from "@liquidmetal/api";
import {
  type Health,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "@liquidmetal/api/health";
import type { ServiceHandlers } from "@liquidmetal/api/server";
import { sleep, systemClock } from "@liquidmetal/foundation";
import type { Application } from "../engine/application.ts";

const known: ReadonlySet<string> = new Set(["", MicroVM.typeName, Host.typeName, Images.typeName]);

export interface HealthOptions {
  /** How often a watcher's answer is looked at again, milliseconds. Default 1,000. */
  readonly intervalMs?: number;
}

export function healthService(
  application: Pick<Application, "healthy">,
  options: HealthOptions = {},
): ServiceHandlers<typeof Health> {
  const { intervalMs = 1_000 } = options;
  const status = (service: string): Status => {
    if (!known.has(service)) return Status.SERVICE_UNKNOWN;
    return application.healthy() ? Status.SERVING : Status.NOT_SERVING;
  };
  const answer = (of: Status): HealthCheckResponse => create(HealthCheckResponseSchema, { status: of });
  return {
    check: async ({ service }) => answer(status(service)),
    watch: async function* ({ service }, { signal }) {
      let last: Status | undefined;
      for (;;) {
        const now = status(service);
        if (now !== last) yield answer(now);
        last = now;
        await sleep(systemClock, intervalMs, signal);
      }
    },
  };
}
