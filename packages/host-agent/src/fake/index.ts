/** A scriptable fake flintlockd for tests of everything that talks to hosts. */
export type { CallFailure, CallScript, FailureOptions } from "./call-script.ts";
export type { Control, ControlAnswer, ControlledMicroVm } from "./control.ts";
export { FakeFlintlockd, type FakeFlintlockdOptions, startFakeFlintlockd } from "./fake-flintlockd.ts";
export { FakeFlintlockdProcess } from "./fake-process.ts";
export type { Life } from "./life.ts";
export type { PlayedFacts } from "./played-facts.ts";
export type { PlayedHost } from "./played-host.ts";
