/** The wire messages that the command line shows and sends, under the names that this room uses. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { flintlock, MicroVMSpecSchema } from "@liquidmetal/api";

export type {
  ConsoleResponse,
  Event,
  GetHostResponse,
  Image,
  LogsResponse,
  PullImageResponse,
  WatchResponse,
} from "@liquidmetal/api";

export type MicroVm = flintlock.MicroVM;
export type Spec = flintlock.MicroVMSpec;

/** A spec, or parts of one, as plain objects. */
export type SpecInit = Exclude<MessageInitShape<typeof MicroVMSpecSchema>, { readonly $typeName: string }>;
export type VolumeInit = NonNullable<SpecInit["rootVolume"]>;
export type InterfaceInit = NonNullable<SpecInit["interfaces"]>[number];
