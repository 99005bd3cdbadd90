/** Which path of the API a manifest belongs to: asked of the server, once for each group and version. */
import { PlatformError } from "@liquidmetal/foundation";
import { isNotFound, type KubernetesClient, type KubernetesObject, type Resource } from "@liquidmetal/kubernetes";

interface ApiResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export class Discovery {
  readonly #client: KubernetesClient;
  readonly #lists = new Map<string, ApiResourceList>();

  constructor(client: KubernetesClient) {
    this.#client = client;
  }

  /** OBJECT_INVALID for a kind that the server does not know; asks again the next time, for it may come. */
  async resourceOf(apiVersion: string, kind: string, signal: AbortSignal): Promise<Resource<KubernetesObject>> {
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const find = async (fresh: boolean): Promise<ApiResourceList["resources"][number] | undefined> =>
      (await this.#list(apiVersion, fresh, signal))?.resources.find(
        (each) => each.kind === kind && !each.name.includes("/"),
      );
    const found = (await find(false)) ?? (await find(true));
    if (found === undefined) throw new PlatformError("OBJECT_INVALID", `the API server knows no ${apiVersion} ${kind}`);
    return { group, version, kind, plural: found.name, namespaced: found.namespaced };
  }

  async #list(apiVersion: string, fresh: boolean, signal: AbortSignal): Promise<ApiResourceList | undefined> {
    const kept = this.#lists.get(apiVersion);
    if (kept !== undefined && !fresh) return kept;
    try {
      const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const list = (await this.#client.request("GET", path, undefined, { signal })) as ApiResourceList;
      this.#lists.set(apiVersion, list);
      return list;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
