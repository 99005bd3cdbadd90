/** The engine's port for shared folders over the images room's virtiofs store. */
import { join, normalize } from "node:path";
import { err, ok, PlatformError } from "@liquidmetal/foundation";
import { VirtiofsStore } from "@liquidmetal/images";
import type { Spawner } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/index.ts";
import type { SharedFolders } from "../engine/shared-folders.ts";

/** Undefined where no root is configured: then nothing is shared. */
export function createSharedFolders(config: AgentConfig, spawner: Spawner): SharedFolders | undefined {
  const roots = config.volumes.virtiofsRoots;
  if (roots.length === 0) return undefined;
  const { virtiofsBin } = config.hypervisors;
  const store = new VirtiofsStore({
    spawner,
    allowedRoots: roots,
    ...(virtiofsBin === "" ? {} : { program: virtiofsBin }),
  });
  return {
    check: (path) => {
      const plain = normalize(path);
      const inside = roots.some((root) => plain === root || plain.startsWith(root.endsWith("/") ? root : `${root}/`));
      if (path.startsWith("/") && inside) return ok();
      return err(new PlatformError("SPEC_INVALID", `virtiofs source ${path}: it must lie below ${roots.join(" or ")}`));
    },
    create: (request, options) => {
      const { volumeId, path, readOnly, runDirectory, token, identity } = request;
      return store.create(
        {
          volumeId,
          sourcePath: path,
          readOnly,
          runDirectory,
          token,
          logPath: join(runDirectory, `virtiofs-${volumeId}.log`),
          ...(identity === undefined ? {} : { fileOwner: identity }),
        },
        options,
      );
    },
    exists: (volume) => store.exists(volume),
    release: (volume) => store.release(volume),
  };
}
