/** Port: how the guest gets its metadata. NoCloud seed disks here; MMDS (Firecracker) is the other form of the same port. */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import type { MadeInterface } from "../record.ts";
import type { MicroVmSpec } from "../spec.ts";

export interface SeedRequest {
  readonly uid: string;
  readonly spec: MicroVmSpec;
  readonly interfaces: readonly MadeInterface[];
  readonly directory: string;
  readonly fileOwner?: { readonly uid: number; readonly gid: number };
}

/** Documents by file name (`meta-data`, `user-data`, `vendor-data`, `network-config`), as text. */
export type SeedDocuments = Readonly<Record<string, string>>;

export interface GuestMetadata {
  /** Checks and completes the spec's metadata, without touching the disk. METADATA_INVALID says which document and where. */
  documents(request: SeedRequest): Result<SeedDocuments, PlatformError>;
  /** Writes the seed (mode 0600) and returns its path, or undefined where the driver needs none. Idempotent, atomic. */
  write(
    request: SeedRequest,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Result<string | undefined, PlatformError>>;
}
