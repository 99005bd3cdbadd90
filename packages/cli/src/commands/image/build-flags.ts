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
