import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { WatchResponse_Type, WatchResponseSchema } from "../gen/liquidmetal/host/v1/host_pb.js";
import {
  GetMicroVMRequestSchema,
  GetMicroVMResponseSchema,
  ListMicroVMsResponseSchema,
} from "../gen/services/microvm/v1alpha1/microvms_pb.js";
import { MicroVMSchema } from "../gen/types/microvm_pb.js";
import { encoderOf } from "./encoding.ts";

const microVm = (id: string) =>
  create(MicroVMSchema, { version: 3, spec: { id, namespace: "n", labels: { a: "ü" } }, status: { ready: true } });

test("what carries microVMs decodes to what was encoded, the first time and again", () => {
  const one = microVm("one");
  const responses = [
    [GetMicroVMResponseSchema, create(GetMicroVMResponseSchema, { microvm: one })],
    [GetMicroVMResponseSchema, create(GetMicroVMResponseSchema)],
    [ListMicroVMsResponseSchema, create(ListMicroVMsResponseSchema, { microvm: [one, microVm("two"), one] })],
    [ListMicroVMsResponseSchema, create(ListMicroVMsResponseSchema)],
    [
      WatchResponseSchema,
      create(WatchResponseSchema, {
        type: WatchResponse_Type.CHANGED,
        position: 7n,
        microvm: one,
        event: { reason: "R" },
      }),
    ],
  ] as const;
  for (const [schema, message] of responses) {
    for (let turn = 0; turn < 2; turn++) assert.deepEqual(fromBinary(schema, encoderOf(schema)(message)), message);
  }
});

test("other messages are encoded as ever", () => {
  const message = create(GetMicroVMRequestSchema, { uid: "u" });
  assert.deepEqual(fromBinary(GetMicroVMRequestSchema, encoderOf(GetMicroVMRequestSchema)(message)), message);
});
