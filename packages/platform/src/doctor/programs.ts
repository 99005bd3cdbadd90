/** The programs that microVMs are made with: where they are, which version, from which Debian package. */
import { output, which } from "./command.ts";
import { type Check, type CheckContext, type Finding, fail, info, ok, warn } from "./finding.ts";

interface Program {
  readonly id: string;
  readonly title: string;
  readonly names: readonly string[];
  readonly arguments: readonly string[];
  readonly package: string;
  /** `needed`: nothing works without. `wanted`: something works worse. `optional`: another choice. */
  readonly importance: "needed" | "wanted" | "optional";
  readonly purpose: string;
}

const qemuByArchitecture: Readonly<Record<string, string>> = {
  x64: "qemu-system-x86_64",
  arm64: "qemu-system-aarch64",
};
const qemuPackage = process.arch === "arm64" ? "qemu-system-arm" : "qemu-system-x86";

const programs: readonly Program[] = [
  {
    id: "qemu",
    title: "QEMU",
    names: [qemuByArchitecture[process.arch] ?? "qemu-system-x86_64"],
    arguments: ["--version"],
    package: qemuPackage,
    importance: "needed",
    purpose: "runs guests",
  },
  program("firecracker", "Firecracker", ["firecracker"], ["--version"], "", "optional", "another hypervisor"),
  program(
    "cloud-hypervisor",
    "Cloud Hypervisor",
    ["cloud-hypervisor-static", "cloud-hypervisor"],
    ["--version"],
    "",
    "optional",
    "another hypervisor",
  ),
  program("containerd", "containerd", ["containerd"], ["--version"], "containerd", "needed", "keeps images"),
  program(
    "qemu-img",
    "qemu-img",
    ["qemu-img"],
    ["--version"],
    "qemu-utils",
    "wanted",
    "clones volumes in no time (qcow2)",
  ),
  program("mke2fs", "mke2fs", ["mke2fs"], ["-V"], "e2fsprogs", "needed", "makes root volumes"),
  program("ip", "ip", ["ip"], ["-V"], "iproute2", "needed", "makes network devices"),
  program("nft", "nft", ["nft"], ["--version"], "nftables", "needed", "keeps guests from faking addresses, and NAT"),
  program("dnsmasq", "dnsmasq", ["dnsmasq"], ["--version"], "dnsmasq-base", "needed", "gives guests their addresses"),
  program("ssh", "ssh", ["ssh"], ["-V"], "openssh-client", "wanted", "is what 'lm vm ssh' runs"),
  program("nsenter", "nsenter", ["nsenter"], ["--version"], "util-linux", "wanted", "runs the management plane"),
  program("openssl", "openssl", ["openssl"], ["version"], "openssl", "wanted", "certifies the management plane"),
  program(
    "virtiofsd",
    "virtiofsd",
    ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "virtiofsd"],
    ["--version"],
    "virtiofsd",
    "optional",
    "shares directories with guests",
  ),
];

export const programChecks: readonly Check[] = programs.map((each) => ({
  id: `program.${each.id}`,
  title: each.title,
  run: (context) => examine(each, context),
}));

async function examine(each: Program, context: CheckContext): Promise<readonly Finding[]> {
  const id = `program.${each.id}`;
  const path = each.names.map(which).find((found) => found !== undefined);
  if (path === undefined) return [absent(id, each)];
  const answer = await output(path, each.arguments, context.signal);
  const version = /(\d+\.\d+(\.\d+)?[\w.~+-]*)/.exec(answer?.text ?? "")?.[1];
  if (answer === undefined || version === undefined) {
    return [
      warn(
        id,
        each.title,
        `${path} does not tell its version`,
        each.package === "" ? "see that it runs" : `install it again: apt-get install --reinstall ${each.package}`,
      ),
    ];
  }
  return [ok(id, each.title, `${version} (${path})`)];
}

function absent(id: string, each: Program): Finding {
  const remedy =
    each.package === ""
      ? `put it in the PATH; it ${each.purpose}`
      : `apt-get install ${each.package}; it ${each.purpose}`;
  switch (each.importance) {
    case "needed":
      return fail(id, each.title, "not installed", remedy);
    case "wanted":
      return warn(id, each.title, "not installed", remedy);
    case "optional":
      return info(id, each.title, "not installed");
    default:
      return each.importance satisfies never;
  }
}

function program(
  id: string,
  title: string,
  names: readonly string[],
  args: readonly string[],
  packageName: string,
  importance: Program["importance"],
  purpose: string,
): Program {
  return { id, title, names, arguments: args, package: packageName, importance, purpose };
}
