/**
 * What agent and spawner say to each other: JSON, one message a line, over an inherited socket pair.
 *
 * The agent sends `Call`s, the spawner answers each exactly once with a `Reply` of the same id, in any order; `cancel` ends a call early.
 * The spawner trusts nothing it reads: `calls.ts` checks every field before it acts. This file imports nothing at run time, because the
 * spawner's process has to stay small.
 */
import type { ErrorCode } from "@liquidmetal/foundation";
import type {
  LivenessVerdict,
  ProcessExit,
  ProcessIdentity,
  RunRequest,
  RunResult,
  SpawnRequest,
} from "@liquidmetal/microvm";

/** Longest line from the agent to the spawner, in bytes. A standard input of 1 MiB fits, even when escaped. */
export const callBytesMax: number = 8 * 1024 * 1024;
/** Longest line from the spawner to the agent, in bytes: two outputs of 1 MiB, every byte escaped. */
export const replyBytesMax: number = 16 * 1024 * 1024;
/** Most bytes kept of each output stream of a short command. */
export const outputBytesMax: number = 1024 * 1024;

export type SignalName = "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGHUP" | "SIGSTOP" | "SIGCONT";

/** Every request there is, with what it asks and what it answers. */
export interface Operations {
  spawn: { readonly ask: SpawnRequest; readonly answer: ProcessIdentity };
  run: { readonly ask: Omit<RunRequest, "signal">; readonly answer: RunResult };
  signal: {
    readonly ask: { readonly identity: ProcessIdentity; readonly signal: SignalName };
    readonly answer: LivenessVerdict;
  };
  verdict: { readonly ask: { readonly identity: ProcessIdentity }; readonly answer: LivenessVerdict };
  /** Answered when the process has ended. */
  exited: { readonly ask: { readonly identity: ProcessIdentity }; readonly answer: ProcessExit };
  find: { readonly ask: { readonly prefix: string }; readonly answer: readonly ProcessIdentity[] };
  removeCgroup: { readonly ask: { readonly name: string }; readonly answer: null };
  /** Ends the call of this id: a command is killed, a watch is forgotten. */
  cancel: { readonly ask: { readonly call: number }; readonly answer: null };
}

export type Operation = keyof Operations;

export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** What the process is told when it starts, as its only argument. */
export interface SpawnerSettings {
  /** Parent of every cgroup, below the root of each hierarchy. */
  readonly cgroupRoot: string;
}
