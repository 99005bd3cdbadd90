/** Which microVMs use an image: what keeps it from being removed. */
import { parseReference } from "@liquidmetal/images";
import { type MicroVmRecord, volumesOf } from "@liquidmetal/microvm";

/** `namespace/name` of each microVM whose spec names this image, however it is written. */
export function usersOfImage(reference: string, records: Iterable<MicroVmRecord>): readonly string[] {
  const wanted = completed(reference);
  const users: string[] = [];
  for (const { spec } of records) {
    const sources = volumesOf(spec).flatMap(({ source }) => (source.kind === "image" ? [source.image] : []));
    const initrd = spec.initrd === undefined ? [] : [spec.initrd.image];
    if ([spec.kernel.image, ...initrd, ...sources].some((image) => completed(image) === wanted)) {
      users.push(`${spec.namespace}/${spec.name}`);
    }
  }
  return users;
}

function completed(reference: string): string {
  try {
    return parseReference(reference).name;
  } catch {
    return reference;
  }
}
