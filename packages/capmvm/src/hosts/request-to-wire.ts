/** From a request to flintlock's spec. Metadata values are base64 text on the wire; absent options stay absent, as upstream has it. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type MicroVMSpecSchema, NetworkInterface_IfaceType } from "@liquidmetal/api";
import type { MicroVmRequest, MicroVmVolume } from "./host.ts";
import { identityIn, identityKey, identityLabel } from "./identity.ts";

type WireSpec = MessageInitShape<typeof MicroVMSpecSchema>;

export function requestToWire(request: MicroVmRequest): WireSpec {
  const { kernel, initrd, identity, guestAgent = false } = request;
  return {
    id: request.name,
    namespace: request.namespace,
    labels: { ...request.labels, [identityLabel]: identity },
    vcpu: request.vcpu,
    memoryInMb: request.memoryMiB,
    kernel: { image: kernel.image, filename: kernel.filename, cmdline: { ...kernel.cmdline }, addNetworkConfig: true },
    ...(initrd === undefined ? {} : { initrd: defined({ image: initrd.image, filename: initrd.filename }) }),
    rootVolume: volumeToWire(request.rootVolume),
    additionalVolumes: request.additionalVolumes.map(volumeToWire),
    interfaces: request.interfaces.map(interfaceToWire),
    metadata: metadataToWire(request),
    ...(request.provider ? { provider: request.provider } : {}),
    allowGuestAgent: guestAgent,
  };
}

function metadataToWire({ metadata, identity }: MicroVmRequest): Record<string, string> {
  const wire: Record<string, string> = {};
  for (const [name, text] of Object.entries(metadata)) {
    const whole = name === "meta-data" && identityIn(text) === undefined ? withIdentity(text, identity) : text;
    wire[name] = Buffer.from(whole).toString("base64");
  }
  return wire;
}

function withIdentity(text: string, identity: string): string {
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}${identityKey}: ${identity}\n`;
}

function volumeToWire(volume: MicroVmVolume): NonNullable<WireSpec["rootVolume"]> {
  return {
    id: volume.id,
    isReadOnly: volume.readOnly,
    source: defined({ containerSource: volume.image, virtiofsSource: volume.virtiofsPath }),
    ...defined({ mountPoint: volume.mountPoint, sizeInMb: volume.sizeMiB }),
  };
}

function interfaceToWire(nic: MicroVmRequest["interfaces"][number]): NonNullable<WireSpec["interfaces"]>[number] {
  const { address, gateway, nameservers = [], bridge } = nic;
  return {
    deviceId: nic.device,
    type: nic.type === "tap" ? NetworkInterface_IfaceType.TAP : NetworkInterface_IfaceType.MACVTAP,
    guestMac: nic.mac,
    ...(address === undefined
      ? {}
      : {
          address: { address, nameservers: [...nameservers], ...defined({ gateway: gatewayToWire(gateway, address) }) },
        }),
    // An override without a name in it kills upstream's daemon.
    ...(bridge ? { overrides: { bridgeName: bridge } } : {}),
  };
}

/** flintlock wants a prefix length on the gateway too; it is that of the address. */
function gatewayToWire(gateway: string | undefined, address: string): string | undefined {
  return gateway === undefined || gateway.includes("/") ? gateway : `${gateway}/${address.split("/")[1] ?? ""}`;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that are undefined. */
function defined<T extends object>(fields: T): Defined<T>;
function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
