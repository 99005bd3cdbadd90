/** Lists: page after page, each object typed as if it had come alone. Pages that turn out too large for us are asked for in smaller parts. */
import { apiVersionOf, type KubernetesObject, type Resource } from "../object.ts";
import { isExpired } from "./api-error.ts";
import type { ListOptions, ObjectList } from "./client.ts";
import { collectionPath, query } from "./resource-path.ts";
import { BodyTooLarge } from "./response-body.ts";

/** Gets one path and gives back the JSON. */
export type PageReader = (path: string) => Promise<unknown>;

const defaultPageSize = 500;
/** A list that is compacted away between its pages is begun again this often. */
const restartsMax = 3;

interface Page {
  readonly items?: readonly KubernetesObject[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

export async function listAll<T extends KubernetesObject>(
  kind: Resource<T>,
  options: ListOptions,
  read: PageReader,
): Promise<ObjectList<T>> {
  let pageSize = options.pageSize ?? defaultPageSize;
  for (let restarts = 0; ; ) {
    try {
      return await listOnce(kind, { ...options, pageSize }, read);
    } catch (error) {
      if (error instanceof BodyTooLarge && pageSize > 1) pageSize = Math.ceil(pageSize / 8);
      else if (isExpired(error) && restarts < restartsMax) restarts += 1;
      else throw error;
    }
  }
}

async function listOnce<T extends KubernetesObject>(
  kind: Resource<T>,
  options: ListOptions,
  read: PageReader,
): Promise<ObjectList<T>> {
  const { namespace, labelSelector, fieldSelector, pageSize, resourceVersion, transform } = options;
  const typed = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  const items: T[] = [];
  for (let next: string | undefined; ; ) {
    const selection = { labelSelector, fieldSelector, limit: pageSize, continue: next };
    const version = next === undefined ? resourceVersion : undefined;
    const page = (await read(
      collectionPath(kind, namespace) + query({ ...selection, resourceVersion: version }),
    )) as Page;
    for (const item of page.items ?? []) {
      const object = { ...item, ...typed };
      items.push((transform === undefined ? object : transform(object)) as T);
    }
    next = page.metadata?.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata?.resourceVersion ?? "" };
  }
}
