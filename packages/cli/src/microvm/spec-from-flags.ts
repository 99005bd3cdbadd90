/** The spec that the flags of `lm vm create` describe, on top of the one from a file. The host completes and validates it. */
import { create } from "@bufbuild/protobuf";
import { MicroVMSpecSchema, NetworkInterface_IfaceType } from "@liquidmetal/api";
import type { InterfaceInit, Spec, SpecInit, VolumeInit } from "../client/messages.ts";
import { type FlagValues, usage } from "../program/flag-values.ts";
import { parseMiB } from "../program/size.ts";
import { attributes, keyValues } from "./key-values.ts";

const networkKeys = ["name", "bridge", "mac", "address", "static", "gateway", "dns"] as const;
const volumeKeys = ["name", "image", "virtiofs", "size", "mount", "partition", "ro"] as const;

export interface SpecSources {
  readonly file: Spec | undefined;
  readonly name: string | undefined;
  /** Where neither flag nor file says one. */
  readonly namespace: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** File first, flags over it. Throws REQUEST_INVALID. */
export function specFromFlags(flags: FlagValues, sources: SpecSources): Spec {
  const base = create(MicroVMSpecSchema, sources.file ?? {});
  const id = sources.name ?? base.id;
  if (id === "") throw usage("the microVM needs a name", "write 'lm vm create NAME …', or 'id' in the file");
  const vcpu = flags.integer("vcpu", { min: 1, max: 1_024 });
  const memory = flags.text("memory");
  const provider = flags.text("provider");
  const networks = flags.list("network");
  return create(MicroVMSpecSchema, {
    ...withoutType(base),
    id,
    namespace: flags.text("namespace") ?? (base.namespace === "" ? sources.namespace : base.namespace),
    ...(vcpu === undefined ? {} : { vcpu }),
    ...(memory === undefined ? {} : { memoryInMb: sizeMiB("memory", memory) }),
    ...(provider === undefined ? {} : { provider }),
    labels: { ...base.labels, ...keyValues("label", flags.list("label"), { bare: true }) },
    metadata: { ...base.metadata, ...sources.metadata },
    ...boot(base, flags),
    ...rootVolume(base, flags),
    additionalVolumes: [...base.additionalVolumes, ...flags.list("volume").map(parseVolume)],
    ...(networks.length === 0 ? {} : { interfaces: networks.map(parseNetwork) }),
  });
}

function boot(base: Spec, flags: FlagValues): Pick<SpecInit, "kernel" | "initrd"> {
  const image = flags.text("kernel") ?? base.kernel?.image ?? "";
  if (image === "") throw usage("the microVM needs a kernel", "give --kernel IMAGE, or 'kernel.image' in the file");
  const filename = flags.text("kernel-file");
  const kernel = {
    ...base.kernel,
    image,
    ...(filename === undefined ? {} : { filename }),
    cmdline: { ...base.kernel?.cmdline, ...keyValues("cmdline", flags.list("cmdline"), { bare: true }) },
  };
  const initrdFile = flags.text("initrd-file");
  const initrdImage = flags.text("initrd");
  if (initrdImage === undefined && initrdFile === undefined) return { kernel: withoutType(kernel) };
  const initrd = {
    ...base.initrd,
    image: initrdImage ?? base.initrd?.image ?? image,
    ...(initrdFile === undefined ? {} : { filename: initrdFile }),
  };
  return { kernel: withoutType(kernel), initrd: withoutType(initrd) };
}

function rootVolume(base: Spec, flags: FlagValues): Pick<SpecInit, "rootVolume"> {
  const image = flags.text("image");
  const disk = flags.text("disk");
  if (image === undefined && disk === undefined) return {};
  if (image === undefined && base.rootVolume === undefined)
    throw usage("--disk needs a root volume", "give --image IMAGE too");
  const volume = {
    id: "root",
    ...base.rootVolume,
    ...(image === undefined ? {} : { source: { containerSource: image } }),
    ...(disk === undefined ? {} : { sizeInMb: sizeMiB("disk", disk) }),
  };
  return { rootVolume: withoutType(volume) };
}

/** `name=data,image=REF,size=1G,mount=/data,ro` or `name=src,virtiofs=/path,mount=/src`. */
export function parseVolume(text: string): VolumeInit {
  const given = attributes("volume", text, volumeKeys, ["ro"]);
  const id = given.get("name") ?? "";
  const image = given.get("image");
  const virtiofs = given.get("virtiofs");
  if (id === "") throw usage(`--volume '${text}' needs name=…`);
  if ((image === undefined) === (virtiofs === undefined)) throw usage(`--volume '${text}' needs image=… or virtiofs=…`);
  const size = given.get("size");
  const mountPoint = given.get("mount");
  const partitionId = given.get("partition");
  return {
    id,
    isReadOnly: given.has("ro"),
    source: image === undefined ? { virtiofsSource: virtiofs ?? "" } : { containerSource: image },
    ...(size === undefined ? {} : { sizeInMb: sizeMiB("volume", size) }),
    ...(mountPoint === undefined ? {} : { mountPoint }),
    ...(partitionId === undefined ? {} : { partitionId }),
  };
}

/** `tap`, `macvtap`, `tap:bridge=br0,mac=…`, or `static=CIDR,gateway=ADDR,dns=ADDR+ADDR` (a tap). */
export function parseNetwork(text: string, index: number): InterfaceInit {
  const [, type = "tap", rest = ""] = /^(tap|macvtap)(?::(.*))?$/s.exec(text) ?? ["", "tap", text];
  const given = attributes("network", rest, networkKeys);
  const address = given.get("address") ?? given.get("static");
  const gateway = given.get("gateway");
  const bridgeName = given.get("bridge");
  const guestMac = given.get("mac");
  const nameservers = (given.get("dns") ?? "").split("+").filter((server) => server !== "");
  if (address === undefined && (gateway !== undefined || nameservers.length > 0)) {
    throw usage(`--network '${text}': gateway and dns need address=CIDR`, "without an address the guest uses DHCP");
  }
  if (address !== undefined && !address.includes("/")) {
    throw usage(`--network '${text}': the address must be in CIDR form, such as 192.168.100.7/24`);
  }
  const prefix = address?.split("/")[1] ?? "";
  const gatewayCidr = gateway === undefined || gateway.includes("/") ? gateway : `${gateway}/${prefix}`;
  const route = gatewayCidr === undefined ? {} : { gateway: gatewayCidr };
  return {
    // Upstream keeps eth0 for its metadata service; everyone who talks to flintlock counts from eth1.
    deviceId: given.get("name") ?? `eth${index + 1}`,
    type: type === "macvtap" ? NetworkInterface_IfaceType.MACVTAP : NetworkInterface_IfaceType.TAP,
    ...(guestMac === undefined ? {} : { guestMac }),
    ...(bridgeName === undefined ? {} : { overrides: { bridgeName } }),
    ...(address === undefined ? {} : { address: { address, nameservers, ...route } }),
  };
}

function sizeMiB(flag: string, text: string): number {
  const size = parseMiB(text);
  if (size === undefined || size < 1)
    throw usage(`--${flag}: '${text}' is not a size`, "write 512M, 2G, or a number of MiB");
  return size;
}

/** A message and changes to it, as a plain object that `create` completes again. */
function withoutType<T extends object>(value: T): Omit<T, "$typeName" | "$unknown"> {
  const { $typeName: _type, $unknown: _unknown, ...rest } = value as T & { $typeName?: unknown; $unknown?: unknown };
  return rest;
}
