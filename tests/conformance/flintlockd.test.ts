/** The real flintlockd as a process, with a containerd and a network of its own, and machines that only sleep. */
import { type Connection, connect } from "@liquidmetal/api/client";
import { processesWith } from "../e2e/world/processes.ts";
import { missingForWorld, World } from "../e2e/world/world.ts";
import { type FlintlockdSubject, flintlockdSuite } from "./flintlockd-suite.ts";

const token = "conformance";
const missing = missingForWorld();

if (missing === undefined) flintlockdSuite("the real one", open);
else process.stderr.write(`not run: flintlockd conformance of the real one: this machine ${missing}\n`);

async function open(): Promise<FlintlockdSubject> {
  const world = await World.open({ fake: true });
  try {
    // Without a token first, for the world's own connection.
    await world.start();
    await world.importImages();
    const { kernel, root } = world;
    const client = (other: string = token): Connection =>
      connect({ address: `unix:${world.paths.agentSocket}`, ...(other === "" ? {} : { token: other }) });
    const restart = async (): Promise<void> => {
      await world.agent.kill("SIGTERM");
      world.launch({ args: [`--basic-auth-token=${token}`] });
      using first = client();
      await first.ready(60_000);
    };
    await restart();
    return {
      kernel: { image: kernel.reference, filename: kernel.elfKernelPath },
      root: root.reference,
      connect: client,
      kill: async (uid) => {
        const vmms = processesWith(`${world.vmmMark ?? "-"}${uid}.`);
        if (vmms.length !== 1) throw new Error(`${uid} has ${vmms.length} VMM processes`);
        for (const { pid } of vmms) process.kill(pid, "SIGKILL");
      },
      restart,
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}
