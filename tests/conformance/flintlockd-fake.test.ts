/** The fake flintlockd against what the real one does. */
import { connect } from "@liquidmetal/api/client";
import { startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import { flintlockdSuite } from "./flintlockd-suite.ts";

const token = "conformance";
const kernel = { image: "registry.example/kernel:1", filename: "boot/vmlinux" };
const root = "registry.example/root:1";

flintlockdSuite("the fake", async () => {
  const fake = await startFakeFlintlockd({ token, facts: { capacity: { memoryMiB: 8_192 } } });
  fake.host.images = new Set([kernel.image, root]);
  return {
    kernel,
    root,
    connect: (other = token) => connect({ address: fake.endpoint, ...(other === "" ? {} : { token: other }) }),
    kill: async (uid) => fake.host.die(uid),
    restart: () => fake.restart(),
    [Symbol.asyncDispose]: () => fake.stop(),
  };
});
