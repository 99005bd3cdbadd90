/** A watch that is read in the background, and waited on for what it says. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchRequestSchema, WatchResponse } from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";

export interface ReadWatch {
  /** Everything so far, as soon as `look` holds for it. Rejects after half a minute, or when the watch ends before. */
  until(look: (all: readonly WatchResponse[]) => boolean): Promise<readonly WatchResponse[]>;
  end(): Promise<void>;
}

const waitMs = 30_000;

export function watching(client: Connection, request: MessageInitShape<typeof WatchRequestSchema>): ReadWatch {
  const all: WatchResponse[] = [];
  const ending = new AbortController();
  let wake: () => void = () => undefined;
  let failure: unknown;
  const read = async (): Promise<void> => {
    try {
      for await (const message of client.host.watch(request, { signal: ending.signal })) {
        all.push(message);
        wake();
      }
    } catch (error) {
      failure = error;
      wake();
    }
  };
  const reading = read();
  return {
    until: async (look) => {
      const deadline = performance.now() + waitMs;
      while (!look(all)) {
        if (failure !== undefined) throw failure;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) throw new Error(`the watch has not said it within ${waitMs} ms; ${all.length} messages`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return [...all];
    },
    end: async () => {
      ending.abort();
      await reading;
    },
  };
}
