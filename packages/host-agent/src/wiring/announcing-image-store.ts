/**
 * The image store as the API sees it: tells the engine when an image has come, so that microVMs that wait for one go on at once.
 */
import type { ImageStore } from "@liquidmetal/microvm";

export function announcingImageStore(images: ImageStore, arrived: () => void): ImageStore {
  return {
    ensure: (reference, owner, options) => images.ensure(reference, owner, options),
    release: (owner, options) => images.release(owner, options),
    holders: (options) => images.holders(options),
    list: (options) => images.list(options),
    inspect: (reference, options) => images.inspect(reference, options),
    pull: async (reference, options) => {
      const pulled = await images.pull(reference, options);
      if (pulled.ok) arrived();
      return pulled;
    },
    import: async (archive, options) => {
      const imported = await images.import(archive, options);
      if (imported.ok) arrived();
      return imported;
    },
    remove: (reference, options) => images.remove(reference, options),
    withTree: (image, work, options) => images.withTree(image, work, options),
    ping: (options) => images.ping(options),
  };
}
