/** Server reflection, v1 and v1alpha (the same messages under two names): what services there are, and their descriptors. */
import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { grpcStatus } from "@liquidmetal/api";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
  type ServerReflection as V1,
} from "@liquidmetal/api/reflection/v1";
import {
  type ServerReflectionResponse as AlphaResponse,
  ServerReflectionResponseSchema as AlphaResponseSchema,
  type ServerReflection as V1Alpha,
} from "@liquidmetal/api/reflection/v1alpha";
import type { ServiceHandlers } from "@liquidmetal/api/server";

type Answer = ServerReflectionResponse["messageResponse"];

export function reflectionService(services: readonly DescService[]): ServiceHandlers<typeof V1> {
  const catalogue = new DescriptorCatalogue(services);
  return {
    serverReflectionInfo: async function* (requests) {
      for await (const request of requests) {
        yield create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: catalogue.answer(request.messageRequest),
        });
      }
    },
  };
}

export function reflectionAlphaService(services: readonly DescService[]): ServiceHandlers<typeof V1Alpha> {
  const catalogue = new DescriptorCatalogue(services);
  return {
    serverReflectionInfo: async function* (requests): AsyncGenerator<AlphaResponse> {
      for await (const request of requests) {
        const { case: kind, value } = catalogue.answer(request.messageRequest);
        const response = create(AlphaResponseSchema, { validHost: request.host, originalRequest: request });
        switch (kind) {
          case "fileDescriptorResponse":
            response.messageResponse = {
              case: kind,
              value: { ...value, $typeName: "grpc.reflection.v1alpha.FileDescriptorResponse" },
            };
            break;
          case "listServicesResponse": {
            const service = value.service.map(({ name }) => ({
              name,
              $typeName: "grpc.reflection.v1alpha.ServiceResponse" as const,
            }));
            response.messageResponse = {
              case: kind,
              value: { service, $typeName: "grpc.reflection.v1alpha.ListServiceResponse" },
            };
            break;
          }
          case "errorResponse":
            response.messageResponse = {
              case: kind,
              value: { ...value, $typeName: "grpc.reflection.v1alpha.ErrorResponse" },
            };
            break;
          default:
            break;
        }
        yield response;
      }
    },
  };
}

class DescriptorCatalogue {
  readonly #services: readonly string[];
  readonly #byName: Map<string, DescFile> = new Map();
  readonly #bySymbol: Map<string, DescFile> = new Map();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).sort();
    for (const service of services) this.#add(service.file);
  }

  answer(request: {
    readonly case: ServerReflectionRequest["messageRequest"]["case"];
    readonly value?: unknown;
  }): Answer {
    const text = typeof request.value === "string" ? request.value : "";
    switch (request.case) {
      case "listServices":
        return { case: "listServicesResponse", value: this.#list() };
      case "fileByFilename":
        return this.#file(this.#byName.get(text), text);
      case "fileContainingSymbol":
        return this.#file(this.#symbol(text), text);
      case "fileContainingExtension":
      case "allExtensionNumbersOfType":
      case undefined:
        return failure(grpcStatus.UNIMPLEMENTED, "there are no extensions");
      default:
        return request.case satisfies never;
    }
  }

  #list(): Extract<Answer, { case: "listServicesResponse" }>["value"] {
    const service = this.#services.map((name) => ({ name, $typeName: "grpc.reflection.v1.ServiceResponse" as const }));
    return { service, $typeName: "grpc.reflection.v1.ListServiceResponse" };
  }

  /** A method or field belongs to the file of the service or message it is in. */
  #symbol(name: string): DescFile | undefined {
    return this.#bySymbol.get(name) ?? this.#bySymbol.get(name.slice(0, Math.max(0, name.lastIndexOf("."))));
  }

  #file(file: DescFile | undefined, name: string): Answer {
    if (file === undefined) return failure(grpcStatus.NOT_FOUND, `not found: ${name.slice(0, 256)}`);
    const files = [file, ...dependencies(file)];
    return {
      case: "fileDescriptorResponse",
      value: {
        fileDescriptorProto: files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)),
        $typeName: "grpc.reflection.v1.FileDescriptorResponse",
      },
    };
  }

  #add(file: DescFile): void {
    const name = file.proto.name;
    if (this.#byName.has(name)) return;
    this.#byName.set(name, file);
    for (const { typeName } of [...file.services, ...file.messages, ...file.enums]) this.#bySymbol.set(typeName, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }
}

function dependencies(file: DescFile, seen: Set<DescFile> = new Set()): readonly DescFile[] {
  for (const dependency of file.dependencies) {
    if (seen.has(dependency)) continue;
    seen.add(dependency);
    dependencies(dependency, seen);
  }
  return [...seen];
}

function failure(errorCode: number, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage, $typeName: "grpc.reflection.v1.ErrorResponse" } };
}
