/** Images, volumes, network, metadata, directories and spawner over the fake host. Small, honest about what they keep, faulty on demand. */
import { attempt, PlatformError } from "@liquidmetal/foundation";
import type {
  BlockStore,
  FileStore,
  GuestMetadata,
  HostNetwork,
  ImageStore,
  MadeInterface,
  MadeVolume,
  ProcessIdentity,
  Spawner,
} from "@liquidmetal/microvm";
import type { HostDirectories } from "../host-directories.ts";
import type { FakeHost } from "./fake-host.ts";
import { needing, unavailable } from "./neighbours.ts";

export function fakeImages(host: FakeHost): ImageStore {
  const { faults } = host;
  const unused = () => attempt(() => Promise.reject(new PlatformError("INTERNAL", "not part of this world")));
  const images: ImageStore = {
    ensure: (reference, owner, options) =>
      attempt(async () => {
        if (faults.missingImages.has(reference)) throw new PlatformError("IMAGE_NOT_FOUND", `no image ${reference}`);
        host.holders.add(owner);
        if (faults.deafImages.has(reference)) await new Promise(() => undefined);
        if (faults.stuckImages.has(reference)) await whenAborted(options?.signal);
        return { reference, digest: `sha256:${reference}`, chainId: reference, labels: {} };
      }),
    release: (owner) =>
      attempt(async () => {
        host.holders.delete(owner);
      }),
    holders: () => attempt(async () => [...host.holders, "image-builder"]),
    list: () => attempt(async () => []),
    inspect: unused,
    pull: unused,
    import: () => attempt(async () => []),
    remove: () => attempt(async () => undefined),
    withTree: unused,
    ping: () => attempt(async () => ({ version: "fake" })),
  };
  return needing(host, "containerd", ["ensure", "release", "holders", "ping"], images);
}

export function fakeFiles(host: FakeHost): FileStore {
  const files: FileStore = {
    fetch: (image, filename) =>
      attempt(async () => {
        const path = `/cache/${image.digest}/${filename}`;
        host.paths.add(path);
        return { path, imageDigest: image.digest };
      }),
    prune: () => attempt(async () => undefined),
  };
  return needing(host, "containerd", ["fetch"], files);
}

/** Volumes are snapshots outside of the microVM's directory: the harder case. */
export function fakeBlockStore(host: FakeHost): BlockStore {
  const store: BlockStore = {
    name: "fake",
    create: ({ owner, volumeId, readOnly, sizeBytes = 1024, image }) =>
      attempt(async (): Promise<MadeVolume> => {
        if (host.faults.diskFull) throw new PlatformError("DISK_FULL", "the volume does not fit");
        const path = `/snapshots/${owner}/${volumeId}`;
        host.volumes.set(path, owner);
        const common = { id: volumeId, path, readOnly, sizeBytes, imageDigest: image.digest };
        return { ...common, kind: "block", format: "raw", store: "fake" };
      }),
    exists: async (volume) => host.volumes.has(volume.path),
    release: (volume) =>
      attempt(async () => {
        if (host.alive().some((process) => process.disks.includes(volume.path))) {
          host.violations.push(`${volume.path} was released while a VMM has it open`);
        }
        host.volumes.delete(volume.path);
      }),
    releaseAll: (owner) =>
      attempt(async () => {
        for (const [path, of] of [...host.volumes]) if (of === owner) host.volumes.delete(path);
      }),
    owners: () => attempt(async () => [...new Set(host.volumes.values())]),
    usage: () => attempt(async () => ({ freeBytes: 1e12, totalBytes: 2e12, promisedBytes: 0 })),
    prune: () => attempt(async () => undefined),
  };
  // Snapshots are containerd's; the tools that make a file system larger are started by the spawner.
  const snapshots = needing(host, "containerd", ["create", "release", "releaseAll", "owners"], store);
  return needing(host, "spawner", ["create"], snapshots);
}

export function fakeNetwork(host: FakeHost): HostNetwork {
  const taken = new Map<string, string>();
  const network: HostNetwork = {
    ensureEmbedded: () => attempt(async () => undefined),
    allocate: ({ uid, interface: nic }) =>
      attempt(async () => {
        let number = 2;
        while (taken.has(`10.0.${number >> 8}.${number & 255}/16`)) number++;
        const address = `10.0.${number >> 8}.${number & 255}/16`;
        taken.set(address, uid);
        return {
          ...blankInterface,
          deviceId: nic.deviceId,
          hostDevice: `lm${uid.slice(-10)}${nic.deviceId.slice(-2)}`,
          addresses: [address],
        };
      }),
    reserve: (uid, made, isolationGroup = "") => {
      host.groups.set(made.hostDevice, isolationGroup);
      for (const address of made.addresses) taken.set(address, uid);
    },
    create: ({ uid, isolationGroup = "" }, made) =>
      attempt(async () => {
        host.groups.set(made.hostDevice, isolationGroup);
        const existing = host.devices.get(made.hostDevice);
        if (existing !== undefined && existing.owner?.uid !== uid) {
          throw new PlatformError("NETWORK_DEVICE_TAKEN", `${made.hostDevice} belongs to someone else`);
        }
        host.devices.set(made.hostDevice, { name: made.hostDevice, owner: { uid, deviceId: made.deviceId } });
        return { ...made, hostIndex: host.nextIndex() };
      }),
    exists: async (uid, made) => host.devices.get(made.hostDevice)?.owner?.uid === uid,
    release: (uid, made) =>
      attempt(async () => {
        if (host.devices.get(made.hostDevice)?.owner?.uid === uid) host.devices.delete(made.hostDevice);
        for (const address of made.addresses) if (taken.get(address) === uid) taken.delete(address);
      }),
    list: () =>
      attempt(async () =>
        [...host.devices.values()].flatMap(({ name, owner }) => (owner === undefined ? [] : [{ name, ...owner }])),
      ),
    removeDevice: (device) =>
      attempt(async () => {
        host.devices.delete(device.name);
      }),
    features: async () => ({ tap: true, macvtap: false, bridge: true, nftables: true, dnsmasq: false }),
    removeEmbedded: () => attempt(async () => undefined),
    close: async () => undefined,
  };
  return needing(host, "spawner", ["create", "release", "list", "removeDevice"], network);
}

const blankInterface: Omit<MadeInterface, "deviceId" | "hostDevice" | "addresses"> = {
  type: "tap",
  hostIndex: 0,
  hostMac: "02:00:00:00:00:01",
  guestMac: "02:00:00:00:00:02",
  bridge: "lm0",
  nameservers: [],
  dhcp: true,
};

export function fakeMetadata(host: FakeHost): GuestMetadata {
  return {
    documents: ({ spec }) =>
      spec.metadata["user-data"] === "broken"
        ? { ok: false, error: new PlatformError("METADATA_INVALID", "user-data is not base64") }
        : { ok: true, value: {} },
    write: ({ directory }) =>
      attempt(async () => {
        if (!host.paths.has(directory)) throw new PlatformError("INTERNAL", `no directory ${directory}`);
        host.paths.add(`${directory}/seed.img`);
        return `${directory}/seed.img`;
      }),
  };
}

export function fakeDirectories(host: FakeHost): HostDirectories {
  return {
    ensure: (path) =>
      attempt(async () => {
        const uid = path.split("/").at(-1) ?? "";
        if (!host.journal.records.has(uid)) host.violations.push(`${path} was made before its record`);
        host.paths.add(path);
      }),
    exists: async (path) => host.paths.has(path),
    remove: (path) =>
      attempt(async () => {
        for (const one of [...host.paths]) if (one === path || one.startsWith(`${path}/`)) host.paths.delete(one);
      }),
    list: () =>
      attempt(async () =>
        [...host.paths]
          .filter((path) => /^\/(state\/vm\/[^/]+\/[^/]+|run)\/[^/]+$/.test(path))
          .map((path) => ({ path, uid: path.split("/").at(-1) ?? "" })),
      ),
  };
}

export function fakeSpawner(
  host: FakeHost,
): Pick<Spawner, "signal" | "verdict" | "exited" | "findByTokenPrefix" | "removeCgroup"> {
  const find = (identity: ProcessIdentity) => {
    const process = host.processes.get(identity.pid);
    return process?.identity.token === identity.token && process.state !== "exited" ? process : undefined;
  };
  const { faults } = host;
  return {
    verdict: async (identity) => {
      if (faults.spawnerDown || faults.unverifiablePids.has(identity.pid)) return "unverifiable";
      return find(identity) === undefined ? "gone" : "alive";
    },
    signal: async (identity) => {
      if (faults.unverifiablePids.has(identity.pid)) return "unverifiable";
      const process = find(identity);
      if (faults.spawnerDown) {
        if (process !== undefined && faults.repliesLost) host.end(process, "crashed", "killed by a signal");
        return "unverifiable";
      }
      if (process === undefined) return "gone";
      host.end(process, "crashed", "killed by a signal");
      return "alive";
    },
    exited: async (identity) => {
      const process = host.processes.get(identity.pid);
      if (process?.identity.token === identity.token) await process.gone.promise;
      return { identity };
    },
    findByTokenPrefix: async (prefix) => {
      if (faults.spawnerDown) throw unavailable("spawner");
      return host
        .alive()
        .map(({ identity }) => identity)
        .filter(({ token }) => token.startsWith(prefix));
    },
    removeCgroup: async () => {
      if (faults.spawnerDown) throw unavailable("spawner");
    },
  };
}

async function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
