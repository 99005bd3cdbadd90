/**
 * A controller of gadgets as a process of its own, one of several of which one leads: says on stdout, line by line, when it waits, leads and works.
 *
 * Arguments: kubeconfig, identity, lease duration, renew deadline, retry period (milliseconds).
 */
import { systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  applyStatus,
  connectCluster,
  keepOwnManagedFields,
  keyText,
  type Logger,
  loadKubeconfig,
  openCache,
  RuntimeMetrics,
  runRuntime,
  silentLogger,
  startController,
} from "@liquidmetal/kubernetes";
import { type Gadget, gadgets } from "../assets/kubernetes-gadget.ts";

/** Path of this program. */
export const leaderProgram: string = import.meta.filename;

const say = (...words: readonly string[]): void => void process.stdout.write(`${[...words, Date.now()].join(" ")}\n`);
const told: Readonly<Record<string, string>> = {
  "leader_election.waiting": "waits",
  "leader_election.leading": "leads",
  "leader_election.lost": "lost",
  "leader_election.released": "released",
};
const logger: Logger = { ...silentLogger, info: tell, error: tell };

function tell(event: string): void {
  const word = told[event];
  if (word !== undefined) say(word);
}

if (import.meta.main) await live(process.argv.slice(2));

async function live(arguments_: readonly string[]): Promise<void> {
  const [kubeconfig = "", identity = "", leaseDurationMs, renewDeadlineMs, retryPeriodMs] = arguments_;
  const client = connectCluster({
    configuration: await loadKubeconfig({ path: kubeconfig }),
    userAgent: "leader-test/1",
    fieldManager: "leader-test",
  });
  const cache = openCache<Gadget>(client, gadgets, { transform: keepOwnManagedFields("leader-test") });
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());

  try {
    await runRuntime(
      {
        clock: systemClock,
        entropy: systemEntropy,
        logger,
        metrics: new RuntimeMetrics(),
        caches: [{ name: "Gadget", cache }],
        controllers: [
          (ports) =>
            startController(
              {
                name: "gadget",
                resource: gadgets,
                cache,
                triggers: [],
                reconcile: async (key, { signal }) => {
                  const gadget = cache.get(key);
                  if (gadget === undefined || gadget.status?.phase !== undefined) return undefined;
                  const status = { phase: `by ${identity}` };
                  cache.learn(
                    await applyStatus(client, gadgets, gadget, status, { fieldManager: "leader-test", signal }),
                  );
                  say("worked", keyText(key));
                  return undefined;
                },
              },
              ports,
            ),
        ],
        leaderElection: {
          client,
          identity,
          lease: { namespace: "kube-system", name: "leader-test" },
          leaseDurationMs: Number(leaseDurationMs),
          renewDeadlineMs: Number(renewDeadlineMs),
          retryPeriodMs: Number(retryPeriodMs),
        },
      },
      stop.signal,
    );
    say("ended");
    process.exit(0);
  } catch (error) {
    say("failed", error instanceof Error && "code" in error ? String(error.code) : String(error));
    process.exit(1);
  }
}
