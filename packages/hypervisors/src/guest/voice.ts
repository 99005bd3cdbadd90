/**
 * What the guest says of itself: on the agent's port, and by marks on its console.
 *
 * Agent's port (`dev.liquidmetal.agent.0`), one JSON object a line: `{"event":"ready","addresses":["10.0.0.5"]}`, and `{"event":"addresses",…}` when they change.
 * Console: a line with `liquidmetal: ready`, optionally followed by ` addresses=10.0.0.5,fd00::5`; and `Kernel panic - not syncing: …`.
 * Everything here comes from a guest: lines are bounded, what is malformed is ignored, addresses are checked.
 */
import { isIP } from "node:net";

export type Utterance =
  | { readonly kind: "ready"; readonly addresses: readonly string[] }
  | { readonly kind: "panicked"; readonly message: string };

const lineBytesMax = 4_096;
const addressesMax = 32;
const readyMark = /liquidmetal: ready(?: addresses=([0-9A-Fa-f:.,]{1,1024}))?/;
const panicMark = /Kernel panic - not syncing(?:: (.{0,300}))?/;

/** Splits what a guest writes into lines, however it is cut into chunks. The rest of an overlong line is dropped. */
export class GuestLines {
  #rest = "";

  push(bytes: Uint8Array): string[] {
    const parts = (this.#rest + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")).split(
      /[\r\n]+/,
    );
    this.#rest = (parts.pop() ?? "").slice(0, lineBytesMax);
    return parts.filter((line) => line !== "").map((line) => line.slice(0, lineBytesMax));
  }
}

/** A mark on the console, if the line holds one. */
export function consoleUtterance(line: string): Utterance | undefined {
  const ready = readyMark.exec(line);
  if (ready !== null) return { kind: "ready", addresses: checkedAddresses((ready[1] ?? "").split(",")) };
  const panic = panicMark.exec(line);
  if (panic !== null) return { kind: "panicked", message: panic[1] ?? "kernel panic" };
  return undefined;
}

/** An event on the agent's port; undefined for whatever is none. */
export function agentUtterance(line: string): Utterance | undefined {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null || !("event" in said)) return undefined;
    if (said.event !== "ready" && said.event !== "addresses") return undefined;
    return { kind: "ready", addresses: checkedAddresses("addresses" in said ? said.addresses : []) };
  } catch {
    return undefined;
  }
}

function checkedAddresses(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  const texts = value
    .filter((entry): entry is string => typeof entry === "string")
    .map((entry) => entry.replace(/\/\d+$/, ""));
  return [...new Set(texts.filter((entry) => isIP(entry) !== 0))].slice(0, addressesMax);
}
