/** nftables through the spawner: whole transactions, many callers' changes merged into one. A host without it is a host without filters, visibly. */
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

/** Troubles of the moment, which say nothing about what the host can do. */
const passingTroubles: ReadonlySet<string> = new Set([
  "SPAWNER_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "QUEUE_FULL",
]);

export class PacketFilter {
  readonly #spawner: Spawner;
  readonly #platform: string;
  readonly #networkNamespace: string | undefined;
  #sharedNetworks: readonly string[];
  readonly #changes: Coalescer<string, true | PlatformError>;
  #supported: Promise<boolean> | undefined;

  constructor(
    platform: string,
    spawner: Spawner,
    networkNamespace: string | undefined,
    sharedNetworks: readonly string[] = [],
  ) {
    this.#sharedNetworks = sharedNetworks;
    this.#platform = platform;
    this.#spawner = spawner;
    this.#networkNamespace = networkNamespace;
    this.#changes = new Coalescer((scripts) => this.#applyAll(scripts));
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
      await this.apply(antiSpoofingTable(this.#platform, this.#sharedNetworks));
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

  async admit(port: GuestPort): Promise<void> {
    if (await this.supported()) await this.#change(admission(this.#platform, port));
  }

  async dismiss(port: GuestPort): Promise<void> {
    if (await this.supported()) await this.#change(dismissal(this.#platform, port));
  }

  /** Removes whatever the table knows of a tap that no record names. */
  async dismissStray(tap: string): Promise<void> {
    if (!(await this.supported())) return;
    const scope = this.#networkNamespace;
    const args = ["-j", "list", "table", "bridge", tableName(this.#platform)];
    const listing = await requireTool(this.#spawner, "nft", args, { networkNamespace: scope });
    const script = strayElements(this.#platform, tap, listing);
    if (script !== "") await this.#change(script);
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

  async #change(script: string): Promise<void> {
    const answer = await this.#changes.ask(script);
    if (answer instanceof PlatformError) throw answer;
  }

  /** All in one transaction; when that fails, each in its own, so that one bad change fails alone. A table that was flushed by others is made again. */
  async #applyAll(scripts: readonly string[]): Promise<readonly (true | PlatformError)[]> {
    try {
      await this.apply(scripts.join(""));
      return scripts.map(() => true as const);
    } catch {
      const answers: (true | PlatformError)[] = [];
      for (const script of scripts) answers.push(await this.#applyAlone(script));
      return answers;
    }
  }

  async #applyAlone(script: string): Promise<true | PlatformError> {
    try {
      await this.apply(antiSpoofingTable(this.#platform, this.#sharedNetworks) + script);
      return true;
    } catch (error) {
      if (error instanceof PlatformError) return error;
      throw error;
    }
  }
}
