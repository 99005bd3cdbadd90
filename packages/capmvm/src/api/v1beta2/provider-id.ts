/**
 * `microvm://<host:port>/<uid>`: the only link from a Machine and its Node to a microVM. Host is the endpoint as the pool spells it, an IPv6 address in brackets.
 *
 * Source: upstream's capmvm; the kubelet argument in every template is made of the same two parts.
 */
export interface ProviderId {
  /** `host:port` of flintlockd. */
  readonly endpoint: string;
  /** Of the microVM, given by its host. */
  readonly uid: string;
}

const shape = /^microvm:\/\/([^/\s]+)\/([^/\s]+)$/;

export function formatProviderId({ endpoint, uid }: ProviderId): string {
  return `microvm://${endpoint}/${uid}`;
}

/** Undefined when the text is no provider id of ours. */
export function parseProviderId(text: string): ProviderId | undefined {
  const [, endpoint, uid] = shape.exec(text) ?? [];
  return endpoint === undefined || uid === undefined ? undefined : { endpoint, uid };
}
