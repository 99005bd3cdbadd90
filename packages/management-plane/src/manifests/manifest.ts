/** An object as it stands in a manifest: of any kind. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Namespaces and CRDs before what lives in them, webhooks last: each can be applied when its turn comes. */
export function inOrder(manifests: readonly Manifest[]): readonly Manifest[] {
  return [...manifests].sort((a, b) => rank(a) - rank(b));
}

const order: readonly string[] = ["Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role"];
const webhooks = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

function rank({ kind }: Manifest): number {
  if (webhooks.includes(kind)) return order.length + 1;
  const index = order.indexOf(kind);
  return index < 0 ? order.length : index;
}
