/** What the flags of `lm up` choose, over what was chosen before. What cannot work is refused here, before anything that runs is touched. */
import { isIPv4 } from "node:net";
import { ownedKeys, type PlatformConfiguration } from "@liquidmetal/platform";
import { keyValues } from "../microvm/key-values.ts";
import { type FlagValues, usage } from "../program/flag-values.ts";

const providers: readonly string[] = ["auto", "qemu", "firecracker", "cloudhypervisor"];

/** Empty text goes back to the default. Throws REQUEST_INVALID. */
export function configured(before: PlatformConfiguration, flags: FlagValues): PlatformConfiguration {
  const containerdSocket = flags.text("containerd-socket") ?? before.containerdSocket ?? "";
  const subnet = flags.text("subnet") ?? before.subnet ?? "";
  const grpcEndpoint = flags.text("grpc-endpoint") ?? before.grpcEndpoint ?? "";
  const http = flags.text("http-endpoint") ?? before.httpEndpoint ?? (flags.on("enable-http") ? "localhost:8090" : "");
  const provider = flags.text("provider") ?? before.provider ?? "";
  const settings = chosenSettings(before.settings ?? {}, flags);
  if (subnet !== "") checkSubnet(subnet);
  if (http !== "") checkEndpoint("http-endpoint", http);
  if (grpcEndpoint !== "") checkGrpc(grpcEndpoint, settings);
  if (provider !== "" && !providers.includes(provider)) {
    throw usage(`--provider: there is no hypervisor '${provider}'`, `use ${providers.join(", ")}`);
  }
  return {
    containerdProgram: flags.text("containerd") ?? before.containerdProgram,
    ...(containerdSocket === "" ? {} : { containerdSocket }),
    networkNamespace: choice(flags, "netns", before.networkNamespace),
    egress: choice(flags, "egress", before.egress),
    ...(subnet === "" ? {} : { subnet }),
    ...(grpcEndpoint === "" ? {} : { grpcEndpoint }),
    ...(http === "" ? {} : { httpEndpoint: http }),
    ...(provider === "" ? {} : { provider }),
    ...managementPlane(flags, before),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}

/** That there was one is remembered: the clusters that it made run on without it. */
function managementPlane(
  flags: FlagValues,
  { managementPlane: before }: PlatformConfiguration,
): Pick<PlatformConfiguration, "managementPlane"> {
  const wanted = !flags.on("no-management-plane") && choice(flags, "management-plane", before ?? false);
  return wanted || before !== undefined ? { managementPlane: wanted } : {};
}

function choice(flags: FlagValues, name: string, otherwise: boolean): boolean {
  const text = flags.text(name);
  if (text === undefined) return otherwise;
  if (text === "" || text === "true") return true;
  if (text === "false") return false;
  throw usage(`--${name}=${text}: write true or false`);
}

function chosenSettings(before: Readonly<Record<string, string>>, flags: FlagValues): Readonly<Record<string, string>> {
  const given = keyValues("set", flags.list("set"), { bare: false });
  for (const key of Object.keys(given)) {
    if (ownedKeys.includes(key))
      throw usage(`--set: '${key}' is decided by the platform`, "see 'lm up --help' for its flags");
    if (!/^[a-zA-Z][a-zA-Z-]*$/.test(key)) throw usage(`--set: '${key}' is no key of flintlockd's configuration`);
  }
  return Object.fromEntries(Object.entries({ ...before, ...given }).filter(([, value]) => value !== ""));
}

function checkSubnet(text: string): void {
  const [address = "", prefix = ""] = text.split("/");
  const bits = /^\d{1,2}$/.test(prefix) ? Number(prefix) : 0;
  if (isIPv4(address) && bits >= 16 && bits <= 29) return;
  throw usage(`--subnet: '${text}' is not usable`, "write an IPv4 network from /16 to /29, such as 10.77.0.0/24");
}

function checkEndpoint(flag: string, text: string): string {
  const host = /^(.*):(\d{1,5})$/.exec(text);
  if (text.startsWith("unix:/")) return "localhost";
  if (host === null || Number(host[2]) > 65_535) {
    throw usage(`--${flag}: '${text}' is no address to listen at`, "write HOST:PORT, such as localhost:9090");
  }
  return host[1] ?? "";
}

/** flintlockd refuses plain text to other machines: better said before it is restarted for it. */
function checkGrpc(text: string, settings: Readonly<Record<string, string>>): void {
  const secured = settings["tls-cert"] !== undefined || settings["insecure"] === "true";
  for (const each of text.split(",")) {
    const host = checkEndpoint("grpc-endpoint", each);
    if (secured || /^(localhost|127\..*|\[::1\])$/.test(host)) continue;
    throw usage(
      `--grpc-endpoint: ${each} can be reached from other machines, in plain text`,
      "give --set tls-cert=FILE --set tls-key=FILE (and --set basic-auth-token=…), or --set insecure=true if that is meant",
    );
  }
}
