/** What the doctor found, as data. */

export interface Finding {
  /** Stable: dotted, lower case. */
  readonly id: string;
  readonly title: string;
  /** fail: microVMs cannot run. warn: something works worse than it could. info: a fact. */
  readonly status: "ok" | "info" | "warn" | "fail";
  readonly detail: string;
  /** What to do; empty when nothing is to be done. */
  readonly remedy: string;
}

export const ok = (id: string, title: string, detail: string): Finding => ({
  id,
  title,
  status: "ok",
  detail,
  remedy: "",
});
export const info = (id: string, title: string, detail: string): Finding => ({
  id,
  title,
  status: "info",
  detail,
  remedy: "",
});
export const warn = (id: string, title: string, detail: string, remedy: string): Finding => ({
  id,
  title,
  status: "warn",
  detail,
  remedy,
});
export const fail = (id: string, title: string, detail: string, remedy: string): Finding => ({
  id,
  title,
  status: "fail",
  detail,
  remedy,
});

export interface CheckContext {
  readonly signal: AbortSignal;
  /** Boot a probe guest. */
  readonly probe: boolean;
}

/** Looks at one thing. May throw or take too long: both become a finding. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Milliseconds. */
  readonly timeoutMs?: number;
  readonly run: (context: CheckContext) => Promise<readonly Finding[]> | readonly Finding[];
}
