/** Flags that several `lm vm` commands share, and how their values are read. */
import type { Flag, Positional } from "../../program/flag.ts";
import { type FlagValues, usage } from "../../program/flag-values.ts";

export const namespaceFlag: Flag = {
  name: "namespace",
  short: "n",
  value: "NAMESPACE",
  summary: "namespace of the microVM",
};

export const timeoutFlag = (text: string): Flag => ({
  name: "timeout",
  value: "DURATION",
  summary: "how long to wait at most (90s, 5m, 1h30m)",
  default: text,
});

/** `--wait` of commands after which the guest may be waited for. */
export const waitReadyFlag: Flag = {
  name: "wait",
  value: "ready|false",
  valueOptional: true,
  summary: "wait until it is done, until the guest is ready, or not at all",
  default: "until it is done",
};

/** `--wait` of commands after which no guest runs. */
export const waitDoneFlag: Flag = { ...waitReadyFlag, value: "false", summary: "wait until it is done, or not at all" };

export const nameArgument: Positional = {
  name: "NAME",
  summary: "NAME, NAMESPACE/NAME or uid",
  required: true,
  complete: "vm",
};

export const namesArgument: Positional = { ...nameArgument, repeatable: true };

/** What `--wait` asks for. */
export type WaitGoal = "none" | "running" | "ready" | "done";

/** Reads `--wait[=…]`; `bare`: what `--wait` without value means; `absent`: what holds without the flag. Throws REQUEST_INVALID. */
export function waitGoal(
  flags: FlagValues,
  meaning: { readonly bare: WaitGoal; readonly absent: WaitGoal; readonly allowed: readonly WaitGoal[] },
): WaitGoal {
  const text = flags.text("wait");
  if (text === undefined) return meaning.absent;
  if (text === "" || text === "true") return meaning.bare;
  if (text === "false") return "none";
  const goal = meaning.allowed.find((each) => each === text);
  if (goal === undefined) throw usage(`--wait=${text}: wait for ${["false", ...meaning.allowed].join(" or ")}`);
  return goal;
}
