/** The serial console of a guest over a bidirectional stream. The first message names the microVM and may carry input already. */
import { create } from "@bufbuild/protobuf";
import { type ConsoleRequest, type ConsoleResponse, ConsoleResponseSchema } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { Application, ConsoleAccess } from "../engine/application.ts";
import { orThrow } from "./api-context.ts";

/** Input of one message that is handed to the guest; a serial line is slow, so more is a mistake. */
const inputMaxBytes = 65_536;

export async function* serialConsole(
  application: Application,
  requests: AsyncIterable<ConsoleRequest>,
  signal: AbortSignal,
): AsyncGenerator<ConsoleResponse> {
  const input = requests[Symbol.asyncIterator]();
  const first = await input.next();
  if (first.done === true || first.value.uid === "") {
    throw new PlatformError("REQUEST_INVALID", "invalid request: the first message must name the microVM by its uid");
  }
  const access = orThrow(application.console(first.value.uid));
  const ending = new AbortController();
  const both = AbortSignal.any([signal, ending.signal]);
  const output = access.output(both)[Symbol.asyncIterator]();
  let failure: unknown;
  // The end of the client's input is not the end of the console: what the guest prints still flows.
  const typing = type(access, first.value, input).catch((error: unknown) => {
    failure = error;
    ending.abort(error);
  });
  try {
    for (;;) {
      const next = await output.next();
      if (next.done === true) break;
      yield create(ConsoleResponseSchema, { data: next.value });
    }
    if (failure !== undefined) throw failure;
  } finally {
    ending.abort();
    void typing;
  }
}

async function type(access: ConsoleAccess, first: ConsoleRequest, rest: AsyncIterator<ConsoleRequest>): Promise<void> {
  for (let data = first.data; ; ) {
    if (data.length > inputMaxBytes) {
      throw new PlatformError("REQUEST_INVALID", `at most ${inputMaxBytes} bytes of input go into one message`);
    }
    if (data.length > 0) orThrow(await access.write(data));
    const next = await rest.next();
    if (next.done === true) return;
    data = next.value.data;
  }
}
