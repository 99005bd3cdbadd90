/** Keys of v1alpha1 may name a user twice; in v1beta2 the user is the key of the list, so what belongs to one user is put together. */
import type { SshPublicKeysV1alpha1 } from "../v1alpha1/index.ts";
import type { SshPublicKeys } from "../v1beta2/index.ts";

export function keysToV1beta2(
  list: readonly SshPublicKeysV1alpha1[] | undefined,
): readonly SshPublicKeys[] | undefined {
  if (list === undefined) return undefined;
  const byUser = Map.groupBy(list, ({ user }) => user);
  return [...byUser].map(([user, entries]) => ({
    user,
    authorizedKeys: entries.flatMap(({ authorizedKeys }) => authorizedKeys),
  }));
}
