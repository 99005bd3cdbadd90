/**
 * Versions of Kubernetes, and which of them may follow which.
 *
 * Source: Kubernetes' version skew policy: control planes go up one minor version at a time, nodes are never newer than their control plane.
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface KubernetesVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** As in "-rc.1", with its hyphen; "" for a release. */
  readonly pre: string;
}

const form = /^v?(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$/;

/** `undefined` for what is no version. */
export function parseVersion(text: string): KubernetesVersion | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, major, minor, patch, pre = ""] = match;
  return { major: Number(major), minor: Number(minor), patch: Number(patch), pre };
}

/** With the v that Cluster API wants. Throws REQUEST_INVALID. */
export function versionText(text: string, flag = "--kubernetes-version"): string {
  if (parseVersion(text) !== undefined) return text.startsWith("v") ? text : `v${text}`;
  throw new PlatformError("REQUEST_INVALID", `${flag}: '${text}' is no version of Kubernetes`, {
    remedy: "write it in full, as in v1.36.3",
  });
}

/** Negative = `left` is older. Build metadata does not count; a pre-release comes before its release. */
export function compareVersions(left: KubernetesVersion, right: KubernetesVersion): number {
  const difference = left.major - right.major || left.minor - right.minor || left.patch - right.patch;
  if (difference !== 0 || left.pre === right.pre) return difference;
  if (left.pre === "") return 1;
  if (right.pre === "") return -1;
  return comparePre(left.pre.slice(1).split("."), right.pre.slice(1).split("."));
}

/** Semantic Versioning 2.0.0, item 11. */
function comparePre(left: readonly string[], right: readonly string[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const [mine, other] = [left[index], right[index]];
    if (mine === other) continue;
    if (mine === undefined) return -1;
    if (other === undefined) return 1;
    const [mineIsNumber, otherIsNumber] = [/^\d+$/.test(mine), /^\d+$/.test(other)];
    if (mineIsNumber !== otherIsNumber) return mineIsNumber ? -1 : 1;
    if (mineIsNumber) return Number(mine) - Number(other);
    return mine < other ? -1 : 1;
  }
  return 0;
}

/** Why a cluster of version `from` cannot go to `to`; `undefined` when it can. Staying where it is, is no obstacle. */
export function upgradeObstacle(from: string, to: string): string | undefined {
  const [before, after] = [parseVersion(from), parseVersion(to)];
  if (before === undefined) return `the cluster's own version '${from}' cannot be read`;
  if (after === undefined) return `'${to}' is no version of Kubernetes`;
  if (compareVersions(after, before) < 0) return `${to} is older than ${from}: Kubernetes does not go back`;
  if (after.major !== before.major) return `${to} is another major version than ${from}`;
  if (after.minor > before.minor + 1)
    return `from ${from} to ${to} is more than one minor version: go to v${before.major}.${before.minor + 1} first`;
  return undefined;
}
