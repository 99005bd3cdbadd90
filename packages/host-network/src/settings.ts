/** What the network keeps across restarts; the agent's journal implements it. Values are small texts. */
export interface NetworkSettings {
  get(key: string): string | undefined;
  /** Durable when it returns. */
  set(key: string, value: string): void;
}

export const settingKeys = {
  /** Subnet chosen for the embedded network, CIDR. Empty = choose again. */
  subnet: "network.subnet",
  /** Link network between the namespace and the host, CIDR. Empty = none. */
  link: "network.link",
  /** Name of the network namespace that we made (written before it is made). Empty = none of ours. */
  madeNamespace: "network.made-namespace",
} as const;
