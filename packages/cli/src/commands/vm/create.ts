/** `lm vm create`: one microVM, from flags, a file, or both. */
import type { Command } from "../../program/command.ts";
import { namespaceFlag, timeoutFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "create"],
  summary: "Create a microVM",
  description:
    "Creates a microVM from OCI images. The same name and spec again is no error: the microVM that is there is shown. " +
    "With -f the spec comes from a file (flintlock's spec as YAML or JSON, fields in camelCase or snake_case; - is standard input); flags override it. " +
    "Without --kernel-file and --initrd, the labels of a kernel image that is on the host already say which files to boot.",
  positionals: [{ name: "NAME", summary: "name, unique in its namespace; may come from the file", required: false }],
  flags: [
    {
      name: "file",
      short: "f",
      value: "FILE",
      summary: "spec as YAML or JSON; - for standard input",
      complete: "file",
    },
    { name: "image", value: "REF", summary: "image of the root volume", complete: "image" },
    { name: "kernel", value: "REF", summary: "image that holds the kernel", complete: "image" },
    {
      name: "kernel-file",
      value: "PATH",
      summary: "path of the kernel inside its image",
      default: "what the image's labels say",
    },
    {
      name: "initrd",
      value: "REF",
      summary: "image that holds the initrd",
      default: "the kernel's image, where its labels or --initrd-file name one",
    },
    { name: "initrd-file", value: "PATH", summary: "path of the initrd inside its image" },
    { name: "cmdline", value: "KEY=VALUE", summary: "kernel argument", repeatable: true },
    { name: "vcpu", value: "COUNT", summary: "virtual processors" },
    { name: "memory", value: "SIZE", summary: "memory (512M, 2G, or MiB)" },
    {
      name: "disk",
      value: "SIZE",
      summary: "size of the root volume (4G, or MiB)",
      default: "as large as the image needs",
    },
    {
      name: "volume",
      value: "SPEC",
      summary:
        "another volume: name=data,image=REF[,size=1G][,mount=/data][,ro] or name=src,virtiofs=/path[,mount=/src]",
      repeatable: true,
    },
    {
      name: "network",
      value: "SPEC",
      summary: "interface: tap[:bridge=br0,mac=…], macvtap, or static=CIDR[,gateway=ADDR][,dns=ADDR+ADDR]",
      repeatable: true,
      default: "none unless the file has some",
    },
    { name: "user-data", value: "FILE", summary: "cloud-init user data", complete: "file" },
    {
      name: "metadata",
      value: "KEY=FILE",
      summary: "another cloud-init document, such as meta-data=FILE",
      repeatable: true,
    },
    {
      name: "ssh-key",
      value: "KEY",
      summary: "public key to let in: a file, the key itself, or 'platform' for the key of the local platform",
      repeatable: true,
      complete: "file",
    },
    { name: "label", short: "l", value: "KEY=VALUE", summary: "label", repeatable: true },
    { name: "provider", value: "NAME", summary: "hypervisor", default: "the host's default" },
    { ...namespaceFlag, default: "the context's, else default" },
    {
      name: "wait",
      value: "ready|running",
      valueOptional: true,
      summary: "wait until the guest says it is ready, or until it runs",
    },
    timeoutFlag("5m"),
    { name: "dry-run", summary: "print the spec and create nothing" },
  ],
  examples: [
    "lm vm create web --kernel registry.local/kernel:6.1 --image registry.local/debian:12 --memory 1G --network tap --ssh-key ~/.ssh/id_ed25519.pub --wait",
    "lm vm create -f web.yaml --memory 2G",
    "lm vm create web -f base.yaml --dry-run -o json",
  ],
  run: async (invocation, session) => (await import("../../microvm/create.ts")).createMicroVm(invocation, session),
};
