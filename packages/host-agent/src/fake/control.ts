/**
 * What a process full of fake flintlockds can be told, one JSON object a line on its standard input; each is answered by one line.
 *
 * In the same words as the objects of this room have them; `name` says which fake is meant.
 */
import type { FailureOptions } from "./call-script.ts";
import { type CallFailure, FakeFlintlockd, type FakeFlintlockdOptions, type Life } from "./index.ts";

export type Control =
  /** Certificates and keys as PEM text. Answers with the endpoint. */
  | {
      readonly do: "start";
      readonly name: string;
      readonly options?: Omit<FakeFlintlockdOptions, "clock" | "tls"> & { readonly tls?: ControlTls };
    }
  | { readonly do: "stop"; readonly name: string }
  /** After a stop. Answers with the endpoint. */
  | { readonly do: "resume"; readonly name: string }
  | { readonly do: "freeze"; readonly name: string }
  | { readonly do: "thaw"; readonly name: string }
  | { readonly do: "cut"; readonly name: string }
  | { readonly do: "dropEvents"; readonly name: string }
  | { readonly do: "restart"; readonly name: string; readonly empty?: boolean }
  /** Microvms whose name matches one of the patterns live so, the first that matches; others as ever. */
  | {
      readonly do: "lives";
      readonly name: string;
      readonly lives: readonly { readonly match: string; readonly life: Life }[];
    }
  | { readonly do: "images"; readonly name: string; readonly images: readonly string[] }
  | { readonly do: "die"; readonly name: string; readonly uid: string; readonly restartsAfterMs?: number }
  | { readonly do: "ready"; readonly name: string; readonly uid: string; readonly addresses?: readonly string[] }
  | { readonly do: "boot"; readonly name: string; readonly uid: string }
  | { readonly do: "vanish"; readonly name: string; readonly uid: string }
  | {
      readonly do: "fail";
      readonly name: string;
      readonly uid: string;
      readonly reason: string;
      readonly message: string;
    }
  | {
      readonly do: "failCall";
      readonly name: string;
      readonly method: string;
      readonly failure: CallFailure;
      readonly options?: FailureOptions;
    }
  | { readonly do: "silenceCall"; readonly name: string; readonly method: string; readonly options?: FailureOptions }
  | { readonly do: "latency"; readonly name: string; readonly method: string; readonly latencyMs: number }
  | { readonly do: "clearCalls"; readonly name: string }
  /** Answers with the calls so far, by method. */
  | { readonly do: "counts"; readonly name: string }
  /** Answers with every microVM in short. */
  | { readonly do: "microVms"; readonly name: string };

export interface ControlTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export interface ControlledMicroVm {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export type ControlAnswer = string | Readonly<Record<string, number>> | readonly ControlledMicroVm[] | null;

/** Many fakes in one process, each by its name. */
export class ControlledFakes implements AsyncDisposable {
  readonly #fakes: Map<string, FakeFlintlockd> = new Map();

  async obey(control: Control): Promise<ControlAnswer> {
    if (control.do === "start") return await this.#start(control);
    const fake = this.#fakes.get(control.name);
    if (fake === undefined) throw new Error(`there is no fake ${control.name}`);
    switch (control.do) {
      case "stop":
        await fake.stop();
        return null;
      case "resume":
        await fake.start();
        return fake.endpoint;
      case "restart":
        await fake.restart({ empty: control.empty ?? false });
        return fake.endpoint;
      case "counts":
        return Object.fromEntries(fake.calls.counts);
      case "microVms":
        return fake.host.microVms.map(({ uid, spec, phase, guest }) => ({
          uid,
          namespace: spec.namespace,
          name: spec.name,
          phase,
          ready: guest.ready,
          labels: spec.labels,
        }));
      default:
        command(fake, control.do, control);
        return null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#fakes.values()].map((fake) => fake.stop()));
  }

  async #start({ name, options = {} }: Extract<Control, { do: "start" }>): Promise<string> {
    if (this.#fakes.has(name)) throw new Error(`there is a fake ${name} already`);
    const { tls, ...rest } = options;
    const fake = new FakeFlintlockd({ ...rest, ...(tls === undefined ? {} : { tls: material(tls) }) });
    this.#fakes.set(name, fake);
    await fake.start();
    return fake.endpoint;
  }
}

type Command = Exclude<Control, { do: "start" | "stop" | "resume" | "restart" | "counts" | "microVms" }>;

/** What has no answer, by its word; every word has its row. */
const commands: { readonly [W in Command["do"]]: (fake: FakeFlintlockd, told: Told<W>) => void } = {
  freeze: (fake) => fake.freeze(),
  thaw: (fake) => fake.thaw(),
  cut: (fake) => fake.cut(),
  dropEvents: (fake) => fake.dropEvents(),
  lives: ({ host }, { lives }) => {
    const rules = lives.map(({ match, life }) => ({ pattern: new RegExp(match), life }));
    host.lifeOf = ({ name }) => rules.find(({ pattern }) => pattern.test(name))?.life ?? {};
  },
  images: ({ host }, { images }) => {
    host.images = new Set(images);
  },
  die: ({ host }, { uid, restartsAfterMs }) => host.die(uid, restartsAfterMs === undefined ? {} : { restartsAfterMs }),
  ready: ({ host }, { uid, addresses }) => host.ready(uid, addresses),
  boot: ({ host }, { uid }) => host.start(uid),
  vanish: ({ host }, { uid }) => host.vanish(uid),
  fail: ({ host }, { uid, reason, message }) => host.fail(uid, reason, message),
  failCall: ({ calls }, { method, failure, options }) => calls.fail(method, failure, options),
  silenceCall: ({ calls }, { method, options }) => calls.silence(method, options),
  latency: ({ calls }, { method, latencyMs }) => {
    calls.latencyMs.set(method, latencyMs);
  },
  clearCalls: ({ calls }) => calls.clear(),
};

type Told<W extends Command["do"]> = Extract<Command, { readonly do: W }>;

function command<W extends Command["do"]>(fake: FakeFlintlockd, word: W, told: Told<W>): void {
  const row: (fake: FakeFlintlockd, told: Told<W>) => void = commands[word];
  row(fake, told);
}

function material({ cert, key, clientCa }: ControlTls): NonNullable<FakeFlintlockdOptions["tls"]> {
  const own = { cert: Buffer.from(cert), key: Buffer.from(key) };
  return clientCa === undefined ? own : { ...own, clientCa: Buffer.from(clientCa) };
}
