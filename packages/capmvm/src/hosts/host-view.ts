/** What a host has, as far as it told us: by uid and by name, with snapshots that find what is gone. One writer: whoever follows the host. */
import { isDeepStrictEqual } from "node:util";
import type { HostMicroVm } from "./host.ts";

export class HostView {
  readonly #byUid: Map<string, HostMicroVm> = new Map();
  /** Several only where a host lets a name be taken twice. */
  readonly #uidsByName: Map<string, readonly string[]> = new Map();
  #identified = 0;

  get size(): number {
    return this.#byUid.size;
  }

  /** MicroVMs that were made for some machine. */
  get identified(): number {
    return this.#identified;
  }

  get(uid: string): HostMicroVm | undefined {
    return this.#byUid.get(uid);
  }

  named(namespace: string, name: string): readonly HostMicroVm[] {
    const uids = this.#uidsByName.get(nameKey(namespace, name)) ?? [];
    return uids.flatMap((uid) => this.#byUid.get(uid) ?? []);
  }

  /** False when it is known exactly so. */
  put(microVm: HostMicroVm): boolean {
    const known = this.#byUid.get(microVm.uid);
    if (known !== undefined && isDeepStrictEqual(known, microVm)) return false;
    if (known !== undefined) this.remove(known.uid);
    this.#byUid.set(microVm.uid, microVm);
    const key = nameKey(microVm.namespace, microVm.name);
    this.#uidsByName.set(key, [...(this.#uidsByName.get(key) ?? []), microVm.uid]);
    if (microVm.identity !== undefined) this.#identified++;
    return true;
  }

  /** As it last was; undefined when it was not known. */
  remove(uid: string): HostMicroVm | undefined {
    const known = this.#byUid.get(uid);
    if (known === undefined) return undefined;
    this.#byUid.delete(uid);
    if (known.identity !== undefined) this.#identified--;
    const key = nameKey(known.namespace, known.name);
    const rest = (this.#uidsByName.get(key) ?? []).filter((one) => one !== uid);
    if (rest.length === 0) this.#uidsByName.delete(key);
    else this.#uidsByName.set(key, rest);
    return known;
  }

  /** Known microVMs that a complete list did not have; of one namespace, or of all. */
  missing(seen: ReadonlySet<string>, namespace?: string): readonly HostMicroVm[] {
    const gone: HostMicroVm[] = [];
    for (const microVm of this.#byUid.values()) {
      if (seen.has(microVm.uid)) continue;
      if (namespace === undefined || microVm.namespace === namespace) gone.push(microVm);
    }
    return gone;
  }
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
