/**
 * A client that knows flintlock v0.11 and nothing else: its descriptors are read from upstream's names and numbers by another implementation of
 * protobuf than the server's, and it speaks through bare grpc-js. What the server adds, it cannot see; what the server changed, it trips over.
 */
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";

const protos = join(import.meta.dirname, "../assets/flintlock-v0.11");
const file = "services/microvm/v1alpha1/microvms.proto";
const serviceName = "microvm.services.api.v1alpha1.MicroVM";

/** As the messages look on the client's side: upstream's field names, enums by name, unset plain fields with their zero values. */
export interface UpstreamMicroVm {
  readonly version: number;
  readonly spec: UpstreamSpec & { readonly uid: string };
  readonly status: {
    readonly state: "PENDING" | "CREATED" | "FAILED" | "DELETING";
    readonly volumes: Readonly<
      Record<string, { readonly mount: { readonly type: "DEV" | "HOSTPATH"; readonly source: string } }>
    >;
    readonly kernel_mount: { readonly type: "DEV" | "HOSTPATH"; readonly source: string } | null;
    readonly network_interfaces: Readonly<
      Record<string, { readonly host_device_name: string; readonly index: number; readonly mac_address: string }>
    >;
    readonly retry: number;
    readonly vsock_path: string;
  };
}

export interface UpstreamVolume {
  readonly id: string;
  readonly is_read_only?: boolean;
  readonly mount_point?: string;
  readonly source: { readonly container_source?: string; readonly virtiofs_source?: string };
  readonly partition_id?: string;
  readonly size_in_mb?: number;
}

export interface UpstreamSpec {
  readonly id: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly provider?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly vcpu?: number;
  readonly memory_in_mb?: number;
  readonly kernel?: {
    readonly image: string;
    readonly filename?: string;
    readonly cmdline?: Readonly<Record<string, string>>;
    readonly add_network_config?: boolean;
  };
  readonly root_volume?: UpstreamVolume;
  readonly additional_volumes?: readonly UpstreamVolume[];
  readonly interfaces?: readonly {
    readonly device_id: string;
    readonly type?: "MACVTAP" | "TAP" | number;
    readonly guest_mac?: string;
    readonly overrides?: { readonly bridge_name?: string };
  }[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A call that failed, as grpc-js tells it. */
export class CallError extends Error {
  readonly code: number;

  constructor({ code, details }: Pick<ServiceError, "code" | "details">) {
    super(details);
    this.code = code;
  }
}

export class UpstreamClient {
  readonly #client: Client;
  readonly #metadata: Metadata = new Metadata();
  readonly #methods: ReturnType<typeof methodsOf> = methodsOf();

  /** `authorization` is the whole value of the header; none when absent. */
  constructor(address: string, authorization?: string) {
    this.#client = new Client(address, credentials.createInsecure());
    if (authorization !== undefined) this.#metadata.set("authorization", authorization);
  }

  /** `metadata` is the request's own map of `Any`, beside the spec's. */
  async create(microvm: UpstreamSpec | undefined, metadata: object = {}): Promise<UpstreamMicroVm> {
    const request = microvm === undefined ? { metadata } : { microvm, metadata };
    return (await this.#unary<{ microvm: UpstreamMicroVm }>("CreateMicroVM", request)).microvm;
  }

  async get(uid: string): Promise<UpstreamMicroVm> {
    return (await this.#unary<{ microvm: UpstreamMicroVm }>("GetMicroVM", { uid })).microvm;
  }

  async list(namespace: string, name?: string): Promise<readonly UpstreamMicroVm[]> {
    const request = name === undefined ? { namespace } : { namespace, name };
    return (await this.#unary<{ microvm: UpstreamMicroVm[] }>("ListMicroVMs", request)).microvm;
  }

  /** The answer is empty; whatever is in it comes back. */
  async delete(uid: string): Promise<object> {
    return await this.#unary<object>("DeleteMicroVM", { uid });
  }

  /** The stream to its end. */
  async listStream(namespace: string): Promise<readonly UpstreamMicroVm[]> {
    const { path, requestSerialize, responseDeserialize } = this.#method("ListMicroVMsStream");
    const stream = this.#client.makeServerStreamRequest<object, { microvm: UpstreamMicroVm }>(
      path,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as { microvm: UpstreamMicroVm },
      { namespace },
      this.#metadata,
      { deadline: Date.now() + 5_000 },
    );
    const all: UpstreamMicroVm[] = [];
    try {
      for await (const { microvm } of stream as AsyncIterable<{ microvm: UpstreamMicroVm }>) all.push(microvm);
    } catch (error) {
      throw new CallError(error as ServiceError);
    }
    return all;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #method(name: string): MethodDefinition<object, object> {
    const method = this.#methods[name];
    if (method === undefined) throw new Error(`upstream has no ${name}`);
    return method;
  }

  #unary<T>(name: string, request: object): Promise<T> {
    const { path, requestSerialize, responseDeserialize } = this.#method(name);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, object>(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        { deadline: Date.now() + 5_000 },
        (error, response) => {
          if (error !== null) reject(new CallError(error));
          else resolve(response as T);
        },
      );
    });
  }
}

function methodsOf(): Readonly<Record<string, MethodDefinition<object, object>>> {
  const loaded = loadSync(file, {
    includeDirs: [protos],
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
  });
  return loaded[serviceName] as unknown as Record<string, MethodDefinition<object, object>>;
}
