/** Ports of 127.0.0.1 that nobody listens on. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { PlatformError } from "@liquidmetal/foundation";

/**
 * Below the range from which the kernel takes ports of outgoing connections (32768 and up): a process that is started again finds its port free. At random,
 * because planes are started side by side.
 */
const [lowest, highest] = [20_000, 32_000] as const;
const attempts = 200;

/** Different ports, free on all addresses at this moment, none of `avoided`. */
export async function freePorts<Name extends string>(
  names: readonly Name[],
  avoided: readonly number[] = [],
): Promise<Readonly<Record<Name, number>>> {
  const taken = new Set<number>();
  for (let attempt = 0; taken.size < names.length && attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest);
    if (!taken.has(port) && !avoided.includes(port) && (await isFree(port))) taken.add(port);
  }
  const ports = [...taken];
  if (ports.length < names.length)
    throw new PlatformError("UNAVAILABLE", `no free ports were found between ${lowest} and ${highest}`);
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<Name, number>;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
