/**
 * What a workload takes and a host gives: whole vCPUs, MiB of memory, MiB of disk.
 *
 * A host's over-commit is already in what it calls allocatable: here nothing is ever given twice.
 */
export interface Resources {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
}

export type Dimension = keyof Resources;

/** Every dimension, in the order in which shortages are told. */
export const dimensions: readonly Dimension[] = ["vcpu", "memoryMiB", "diskMiB"];

export const noResources: Resources = { vcpu: 0, memoryMiB: 0, diskMiB: 0 };

export function plus(a: Resources, b: Resources): Resources {
  return { vcpu: a.vcpu + b.vcpu, memoryMiB: a.memoryMiB + b.memoryMiB, diskMiB: a.diskMiB + b.diskMiB };
}

/** An amount for people: "4 vCPU", "4096 MiB memory". */
export function amount(dimension: Dimension, value: number): string {
  switch (dimension) {
    case "vcpu":
      return `${value} vCPU`;
    case "memoryMiB":
      return `${value} MiB memory`;
    case "diskMiB":
      return `${value} MiB disk`;
    default:
      return dimension satisfies never;
  }
}
