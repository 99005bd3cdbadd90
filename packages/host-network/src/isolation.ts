/**
 * Isolation: guests of one group exchange frames with each other and with what is no guest of ours; never with guests of another group.
 *
 * In the platform's table of the `bridge` family, by group numbers: `groups` says of a tap which group its guest is in, `peers` which taps a group may send to.
 * Every tap has a number, those without a group share one. A tap without (a device that no record names) meets nobody. Only frames from one of our taps to
 * another are judged, floods for each port they leave by; the bridge's own address, and ports that are not ours, are met by all. The packet mark carries the number within one chain, for
 * frames that stay between guests: none of the host's own rules sees it.
 * Text in, text out: this file runs nothing.
 */
import { tableName } from "./anti-spoofing.ts";
import { shortHash } from "./device-identity.ts";

/** The way from guest to guest by the bridge's own address, where the host would route the packet straight back into the bridge. */
export interface Detour {
  /** CIDR of the guests. */
  readonly subnet: string;
  readonly gateway: string;
}

/** Puts the rules in, with empty sets: in one transaction with the `joining` of every tap, so that there is no moment without. */
export function isolationRules(platform: string, detour?: Detour): string {
  const table = `bridge ${tableName(platform)}`;
  const local =
    detour === undefined
      ? ""
      : `add rule ${table} local iifname @taps ether type ip ip daddr ${detour.subnet} ip daddr != ${detour.gateway} drop\n`;
  return `${declarations(table)}flush map ${table} groups
flush set ${table} peers
add rule ${table} forward iifname @taps oifname @taps jump meeting
add rule ${table} meeting meta mark set 0
add rule ${table} meeting meta mark set iifname map @groups
add rule ${table} meeting meta mark . oifname != @peers drop
${local}`;
}

/** Takes out what `isolationRules` put in; safe when nothing is there. */
export function isolationRemoval(platform: string): string {
  const table = `bridge ${tableName(platform)}`;
  const chains = ["forward", "meeting", "local"].map((chain) => `delete chain ${table} ${chain}\n`);
  return `${declarations(table)}${chains.join("")}delete map ${table} groups\ndelete set ${table} peers\n`;
}

/** Safe to repeat with the same number; a tap that has another one has to leave first. */
export function joining(platform: string, tap: string, group: number): string {
  return membership(platform, tap, group, ["add"]);
}

/** Safe to repeat with the same number. */
export function leaving(platform: string, tap: string, group: number): string {
  return membership(platform, tap, group, ["add", "delete"]);
}

/**
 * Numbers of groups, none twice: derived from the name, so that one and the same group is found by the same number after a restart, and counted on where two names meet.
 * Whoever starts anew writes all members anew: nothing hangs on a number being the same as before.
 */
export class GroupNumbers {
  readonly #names: Map<number, string> = new Map();

  /** From 1 to 2³²-1. The empty name is the group of those without one. */
  of(name: string): number {
    const derived = Number.parseInt(shortHash("group", name).slice(0, 8), 16);
    for (let number = derived === 0 ? 1 : derived; ; number = number === 0xffff_ffff ? 1 : number + 1) {
      const holder = this.#names.get(number);
      if (holder !== undefined && holder !== name) continue;
      this.#names.set(number, name);
      return number;
    }
  }

  /** Forgets all but these. */
  keep(numbers: ReadonlySet<number>): void {
    for (const number of this.#names.keys()) if (!numbers.has(number)) this.#names.delete(number);
  }
}

function declarations(table: string): string {
  return `add map ${table} groups { type ifname : mark; }
add set ${table} peers { type mark . ifname; }
add chain ${table} meeting
add chain ${table} forward { type filter hook forward priority -300; policy accept; }
add chain ${table} local { type filter hook input priority -300; policy accept; }
flush chain ${table} forward
flush chain ${table} meeting
flush chain ${table} local
`;
}

function membership(platform: string, tap: string, group: number, verbs: readonly ("add" | "delete")[]): string {
  const table = `bridge ${tableName(platform)}`;
  return verbs
    .map(
      (verb) => `${verb} element ${table} groups { "${tap}" : ${group} }
${verb} element ${table} peers { ${group} . "${tap}" }\n`,
    )
    .join("");
}
