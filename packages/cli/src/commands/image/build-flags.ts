/** Flags of the commands that build from recipes. */
import type { Flag } from "../../program/flag.ts";

export const cacheFlag: Flag = {
  name: "cache-dir",
  value: "DIR",
  summary: "the builder's cache",
  default: "liquidmetal/images below XDG_CACHE_HOME",
  complete: "file",
};

export const buildFlags: readonly Flag[] = [
  {
    name: "set",
    value: "NAME=VALUE",
    repeatable: true,
    summary: "parameter of the recipe",
  },
  cacheFlag,
];

/** As flintlockd's configuration keys of the same names. */
export const registryFlags: readonly Flag[] = [
  {
    name: "registry-auth-file",
    value: "FILE",
    summary: "credentials of registries, in docker's format",
    default: "REGISTRY_AUTH_FILE, else docker's own",
    complete: "file",
  },
  {
    name: "registry-hosts-dir",
    value: "DIR",
    summary: "mirrors and certificates of registries, in containerd's format",
    default: "/etc/containerd/certs.d",
    complete: "file",
  },
];
