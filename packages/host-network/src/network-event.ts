/** What the network tells the agent's log: a stable event name in dotted snake case, and fields with units. */
export interface NetworkEvent {
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}
