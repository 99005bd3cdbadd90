/** What a client tells about itself, for metrics and logs. Every function is optional and must not throw. */
export interface ClientObserver {
  /** One request was answered (`status` 0: it was not). */
  onCall?(call: {
    readonly method: string;
    readonly host: string;
    readonly status: number;
    readonly durationMs: number;
  }): void;
  /** A call is repeated after this time. */
  onRepeat?(repeat: { readonly operation: string; readonly reason: string; readonly delayMs: number }): void;
  /** The server warns: a deprecated version, a field that it does not know. The same text may come many times. */
  onWarning?(text: string): void;
}
