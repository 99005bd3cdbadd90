/**
 * An address from an IPAM provider, by Cluster API's contract: one IPAddressClaim, owned by the MicrovmCluster; the provider answers with an IPAddress.
 *
 * The claim is kept as long as the cluster exists, because the address goes back to its pool with it, and is deleted, and waited for, with the cluster.
 * Source: Cluster API, IPAM provider contract.
 */
import {
  findCondition,
  isAlreadyExists,
  type KubernetesClient,
  type KubernetesObject,
  type ObjectCache,
  type ObjectKey,
} from "@liquidmetal/kubernetes";
import { parseIpAddress } from "../address/ip-address.ts";
import {
  type ContractReference,
  clusterApiNames,
  type IpAddressClaim,
  infrastructureApiVersion,
  ipAddressClaims,
  ipAddresses,
  type MicrovmCluster,
} from "../api/index.ts";

export type ClaimedAddress =
  | { readonly state: "bound"; readonly address: string }
  | { readonly state: "waiting"; readonly message: string }
  | { readonly state: "invalid"; readonly message: string };

export function claimKey(cluster: MicrovmCluster): ObjectKey {
  const { namespace = "", name = "" } = cluster.metadata ?? {};
  return { namespace, name: `${name}-control-plane` };
}

/** Makes the claim if it is not there, and reads what came of it. */
export async function claimAddress(
  client: KubernetesClient,
  claims: ObjectCache<IpAddressClaim>,
  cluster: MicrovmCluster,
  of: { readonly poolRef: ContractReference; readonly clusterName: string },
  signal: AbortSignal,
): Promise<ClaimedAddress> {
  const key = claimKey(cluster);
  const title = `${of.poolRef.kind} ${of.poolRef.name}`;
  const claim = claims.get(key) ?? (await makeClaim(client, claims, cluster, of, signal));
  if (!isOwnedBy(claim, cluster)) {
    return {
      state: "invalid",
      message: `the IPAddressClaim ${key.name} belongs to somebody else: delete or rename it`,
    };
  }
  if (claim.metadata?.deletionTimestamp !== undefined) {
    return { state: "waiting", message: `the IPAddressClaim ${key.name} is being deleted; a new one is made then` };
  }
  if (!samePool(claim.spec.poolRef, of.poolRef)) {
    await client.delete(ipAddressClaims, key, { signal, ...uidOf(claim) });
    return { state: "waiting", message: `the claim from another pool is given back; one from ${title} follows` };
  }
  const addressName = claim.status?.addressRef?.name ?? "";
  if (addressName === "") {
    const ready = findCondition(claim.status?.conditions, "Ready");
    const why = ready === undefined || ready.status === "True" ? "" : `: ${ready.message || ready.reason}`;
    return {
      state: "waiting",
      message: `${title} has not given an address for the IPAddressClaim ${key.name} yet${why}`,
    };
  }
  const address = await client.find(ipAddresses, { namespace: key.namespace, name: addressName }, { signal });
  if (address === undefined) return { state: "waiting", message: `the IPAddress ${addressName} is not there yet` };
  if (address.spec.claimRef.name !== key.name || parseIpAddress(address.spec.address) === undefined) {
    return { state: "invalid", message: `the IPAddress ${addressName} is for another claim, or holds no address` };
  }
  return { state: "bound", address: address.spec.address };
}

/** Deletes the claim, if it is ours. True when it is gone. */
export async function releaseAddress(
  client: KubernetesClient,
  claims: ObjectCache<IpAddressClaim>,
  cluster: MicrovmCluster,
  signal: AbortSignal,
): Promise<boolean> {
  const claim = claims.get(claimKey(cluster));
  if (claim === undefined || !isOwnedBy(claim, cluster)) return true;
  if (claim.metadata?.deletionTimestamp === undefined) {
    await client.delete(ipAddressClaims, claimKey(cluster), { signal, ...uidOf(claim) });
  }
  return false;
}

async function makeClaim(
  client: KubernetesClient,
  claims: ObjectCache<IpAddressClaim>,
  cluster: MicrovmCluster,
  { poolRef, clusterName }: { readonly poolRef: ContractReference; readonly clusterName: string },
  signal: AbortSignal,
): Promise<IpAddressClaim> {
  const { name = "", uid = "" } = cluster.metadata ?? {};
  const key = claimKey(cluster);
  const claim: IpAddressClaim = {
    metadata: {
      ...key,
      labels: { [clusterApiNames.clusterNameLabel]: clusterName },
      ownerReferences: [
        {
          apiVersion: infrastructureApiVersion,
          kind: "MicrovmCluster",
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { clusterName, poolRef },
  };
  try {
    const made = await client.create(ipAddressClaims, claim, { signal });
    claims.learn(made);
    return made;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return await client.get(ipAddressClaims, key, { signal });
  }
}

function isOwnedBy(claim: KubernetesObject, cluster: MicrovmCluster): boolean {
  return claim.metadata?.ownerReferences?.some(({ uid }) => uid === cluster.metadata?.uid) === true;
}

function samePool(a: ContractReference, b: ContractReference): boolean {
  return a.apiGroup === b.apiGroup && a.kind === b.kind && a.name === b.name;
}

function uidOf({ metadata }: KubernetesObject): { readonly uid?: string } {
  return metadata?.uid === undefined ? {} : { uid: metadata.uid };
}
