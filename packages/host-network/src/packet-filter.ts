/**
 * nftables through the spawner: whole transactions, many callers' changes merged into one. A host without it is a host without filters, visibly.
 *
 * What is admitted is remembered, so that a table which others flushed, or which an older agent left, is put right as a whole.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { Spawner } from "@liquidmetal/microvm";
import {
  admission,
  antiSpoofingRemoval,
  antiSpoofingTable,
  dismissal,
  type GuestPort,
  strayElements,
  tableName,
} from "./anti-spoofing.ts";
import { Coalescer } from "./coalescer.ts";
import { requireTool, runTool, toolFailure } from "./command.ts";
import { type Detour, GroupNumbers, isolationRemoval, isolationRules, joining, leaving } from "./isolation.ts";

/** Troubles of the moment, which say nothing about what the host can do. */
const passingTroubles: ReadonlySet<string> = new Set([
  "SPAWNER_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "QUEUE_FULL",
]);

export interface PacketFilterOptions {
  readonly platform: string;
  readonly spawner: Spawner;
  readonly networkNamespace?: string | undefined;
  readonly sharedNetworks?: readonly string[];
  /** Guests meet guests of their own group only. Default false. */
  readonly isolation?: boolean;
}

type Change =
  | { readonly kind: "admit"; readonly port: GuestPort }
  | { readonly kind: "dismiss"; readonly port: GuestPort }
  | { readonly kind: "stray"; readonly tap: string; readonly script: string }
  | { readonly kind: "restore" };

interface Admitted {
  readonly port: GuestPort;
  /** Number of its group. */
  readonly group: number;
}

export class PacketFilter {
  readonly #spawner: Spawner;
  readonly #platform: string;
  readonly #networkNamespace: string | undefined;
  readonly #isolation: boolean;
  #sharedNetworks: readonly string[];
  #detour: Detour | undefined;
  readonly #changes: Coalescer<Change, true | PlatformError>;
  readonly #admitted: Map<string, Admitted> = new Map();
  readonly #numbers: GroupNumbers = new GroupNumbers();
  /** The table has been written as a whole, from what is remembered, since there is something to remember. */
  #settled = false;
  #supported: Promise<boolean> | undefined;

  constructor(options: PacketFilterOptions) {
    const { platform, spawner, networkNamespace, sharedNetworks = [], isolation = false } = options;
    this.#sharedNetworks = sharedNetworks;
    this.#platform = platform;
    this.#spawner = spawner;
    this.#networkNamespace = networkNamespace;
    this.#isolation = isolation;
    this.#changes = new Coalescer((changes) => this.#applyAll(changes));
  }

  /** Makes the table on the first call; false for good when `nft` or the kernel's bridge family is missing. */
  supported(): Promise<boolean> {
    this.#supported ??= this.#probe();
    return this.#supported;
  }

  /** Forgets what was found out: the namespace may be a new one. */
  lookAgain(): void {
    this.#supported = undefined;
  }

  async #probe(): Promise<boolean> {
    try {
      await this.apply(this.#table());
      return true;
    } catch (error) {
      const passing = error instanceof PlatformError && passingTroubles.has(error.code);
      if (!passing) return false;
      this.#supported = undefined;
      throw error;
    }
  }

  /** Further addresses, a range, from which every guest may send: from when the table is made the next time. */
  share(range: string | undefined): void {
    if (range !== undefined && !this.#sharedNetworks.includes(range))
      this.#sharedNetworks = [...this.#sharedNetworks, range];
  }

  /** The guests' way round by the bridge itself, which isolation closes: from when the table is written as a whole the next time. */
  closeDetour(detour: Detour): void {
    this.#detour = detour;
  }

  async admit(port: GuestPort): Promise<void> {
    if (await this.supported()) await this.#change({ kind: "admit", port });
  }

  async dismiss(port: GuestPort): Promise<void> {
    if (await this.supported()) await this.#change({ kind: "dismiss", port });
  }

  /** Knows from now on a tap that an earlier agent admitted; `restore` writes it down. */
  remember(port: GuestPort): void {
    this.#admitted.set(port.tap, { port, group: this.#numbers.of(port.group ?? "") });
    this.#settled = false;
  }

  /** Writes everything that is remembered, in one transaction that leaves no moment without rules. Nothing is done while there is nothing to remember. */
  async restore(): Promise<void> {
    if (this.#admitted.size > 0 && (await this.supported())) await this.#change({ kind: "restore" });
  }

  /** Removes whatever the table knows of a tap that no record names. */
  async dismissStray(tap: string): Promise<void> {
    if (!(await this.supported())) return;
    const scope = this.#networkNamespace;
    const args = ["-j", "list", "table", "bridge", tableName(this.#platform)];
    const listing = await requireTool(this.#spawner, "nft", args, { networkNamespace: scope });
    const script = strayElements(this.#platform, tap, listing);
    await this.#change({ kind: "stray", tap, script });
  }

  async removeAntiSpoofing(): Promise<void> {
    if (await this.supported()) await this.apply(antiSpoofingRemoval(this.#platform));
    this.#supported = undefined;
  }

  /** Runs one script as one transaction, in this filter's namespace or another one (`null` = the host's). */
  async apply(script: string, networkNamespace: string | null | undefined = this.#networkNamespace): Promise<void> {
    const result = await runTool(this.#spawner, "nft", ["-f", "-"], {
      stdin: script,
      networkNamespace: networkNamespace ?? undefined,
    });
    if (result.code !== 0) throw toolFailure("nft", result);
  }

  async #change(change: Change): Promise<void> {
    const answer = await this.#changes.ask(change);
    if (answer instanceof PlatformError) throw answer;
  }

  /** All in one transaction; when that fails, the whole table is written again, and each change in its own, so that one bad change fails alone. */
  async #applyAll(changes: readonly Change[]): Promise<readonly (true | PlatformError)[]> {
    const undo = this.#undoing(changes);
    const inPlace = this.#settled && !changes.some(({ kind }) => kind === "restore");
    this.#settled = true;
    try {
      const scripts = changes.map((change) => ({ change, script: this.#script(change) }));
      // Written as a whole, the table has those who are admitted already.
      const needed = inPlace ? scripts : scripts.filter(({ change }) => change.kind !== "admit");
      await this.apply((inPlace ? "" : this.#whole()) + needed.map(({ script }) => script).join(""));
      return changes.map(() => true as const);
    } catch {
      undo();
      const trouble = await this.#rewrite();
      const answers: (true | PlatformError)[] = [];
      for (const change of changes) {
        // Nobody comes in where the rules cannot be had; to leave is always possible.
        const refused = change.kind === "admit" || change.kind === "restore" ? trouble : undefined;
        answers.push(refused ?? (await this.#applyAlone(change)));
      }
      return answers;
    } finally {
      this.#numbers.keep(new Set([...this.#admitted.values()].map(({ group }) => group)));
    }
  }

  async #applyAlone(change: Change): Promise<true | PlatformError> {
    const undo = this.#undoing([change]);
    try {
      await this.apply(this.#table() + this.#script(change));
      return true;
    } catch (error) {
      undo();
      if (error instanceof PlatformError) return error;
      throw error;
    }
  }

  /** What is remembered and cannot be written (a record that never came to be) keeps nobody else out. Says why there are no rules, if so. */
  async #rewrite(): Promise<PlatformError | undefined> {
    const trouble = (script: string): Promise<PlatformError | undefined> =>
      this.apply(script).then(() => undefined, PlatformError.from);
    const admitted = [...this.#admitted.values()];
    if ((await trouble(this.#whole())) === undefined) return undefined;
    const refused = await trouble(this.#table() + this.#rules());
    if (refused !== undefined) this.#settled = false;
    else for (const one of admitted) await trouble(this.#entry(one));
    return refused;
  }

  /** Takes back what `#script` is going to remember of these. */
  #undoing(changes: readonly Change[]): () => void {
    const taps = changes.flatMap((change) => tapOf(change) ?? []);
    const earlier = taps.map((tap) => [tap, this.#admitted.get(tap)] as const);
    return () => {
      for (const [tap, admitted] of earlier) {
        if (admitted === undefined) this.#admitted.delete(tap);
        else this.#admitted.set(tap, admitted);
      }
    };
  }

  /** Text of a change, with what is remembered brought up to date. */
  #script(change: Change): string {
    switch (change.kind) {
      case "restore":
        return "";
      case "admit": {
        const { port } = change;
        const earlier = this.#admitted.get(port.tap);
        const admitted = { port, group: this.#numbers.of(port.group ?? "") };
        this.#admitted.set(port.tap, admitted);
        const moved = this.#isolation && earlier !== undefined && earlier.group !== admitted.group;
        return (moved ? leaving(this.#platform, port.tap, earlier.group) : "") + this.#entry(admitted);
      }
      case "dismiss": {
        const { port } = change;
        const admitted = this.#admitted.get(port.tap);
        this.#admitted.delete(port.tap);
        const left = this.#isolation && admitted !== undefined ? leaving(this.#platform, port.tap, admitted.group) : "";
        return left + dismissal(this.#platform, port);
      }
      case "stray":
        this.#admitted.delete(change.tap);
        return change.script;
      default:
        return change satisfies never;
    }
  }

  #whole(): string {
    const entries = [...this.#admitted.values()].map((admitted) => this.#entry(admitted));
    return this.#table() + this.#rules() + entries.join("");
  }

  /** Without what is known only when all records are: what an earlier agent wrote of groups holds until then. */
  #table(): string {
    const table = antiSpoofingTable(this.#platform, this.#sharedNetworks);
    return this.#isolation ? table : table + isolationRemoval(this.#platform);
  }

  #rules(): string {
    return this.#isolation ? isolationRules(this.#platform, this.#detour) : "";
  }

  #entry({ port, group }: Admitted): string {
    const own = admission(this.#platform, port);
    return this.#isolation ? own + joining(this.#platform, port.tap, group) : own;
  }
}

function tapOf(change: Change): string | undefined {
  if (change.kind === "restore") return undefined;
  return change.kind === "stray" ? change.tap : change.port.tap;
}
