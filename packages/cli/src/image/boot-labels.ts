/** What the labels `dev.liquidmetal.*` of an image say of how it wants to be booted (docs/images.md). */

type Labels = Readonly<Record<string, string>>;

export interface BootSize {
  readonly vcpu: number;
  readonly memoryMiB: number;
  /** Absent = as the host sizes it. */
  readonly diskMiB: number | undefined;
}

const defaults = { vcpu: 1, memoryMiB: 512 } as const;

/** An image with a kernel in it: what `lm vm create --kernel` takes. */
export function isKernelImage(labels: Labels): boolean {
  return labels["dev.liquidmetal.kernel.path"] !== undefined || labels["dev.liquidmetal.kernel.elf.path"] !== undefined;
}

/** A root volume's recommendation; its minimum where it recommends nothing; never less than the kernel needs. */
export function bootSize(root: Labels, kernel: Labels): BootSize {
  const memory = (labels: Labels): number =>
    numberOf(labels, "recommended.memory-mib") ?? numberOf(labels, "memory.minimum-mib") ?? 0;
  const wanted = Math.max(memory(root), memory(kernel));
  return {
    vcpu: numberOf(root, "recommended.vcpu") ?? defaults.vcpu,
    memoryMiB: wanted > 0 ? wanted : defaults.memoryMiB,
    diskMiB: numberOf(root, "disk.minimum-mib"),
  };
}

function numberOf(labels: Labels, name: string): number | undefined {
  const text = labels[`dev.liquidmetal.${name}`];
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
