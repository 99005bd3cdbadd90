/**
 * Encodes responses. The bytes of a microVM inside a response are made once and kept as long as the message lives: `recordToWire` gives the same message
 * for the same record, so a list of a thousand, or a change told to a hundred watchers, encodes each microVM once.
 *
 * Messages that carry microVMs are not changed after they were made.
 */
import { type DescField, type DescMessage, isMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type MicroVM, MicroVMSchema } from "../gen/types/microvm_pb.js";

type Encoder = (message: Message) => Uint8Array;

const kept: WeakMap<Message, Uint8Array> = new WeakMap();

export function encoderOf(schema: DescMessage): Encoder {
  const field = schema.fields.find(carriesMicroVm);
  return field === undefined
    ? (message) => toBinary(schema, message)
    : (message) => aroundMicroVms(schema, field, message);
}

function carriesMicroVm(field: DescField): boolean {
  return (
    (field.fieldKind === "message" || field.fieldKind === "list") && field.message?.typeName === MicroVMSchema.typeName
  );
}

/** The order of fields on the wire is free, so the microVMs follow whatever else there is. */
function aroundMicroVms(schema: DescMessage, field: DescField, message: Message): Uint8Array {
  const fields: Readonly<Record<string, unknown>> = { ...message };
  const value = fields[field.localName];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const microVms = values.filter((one) => isMessage(one, MicroVMSchema));
  const rest = { ...message, [field.localName]: field.fieldKind === "list" ? [] : undefined };
  const writer = new BinaryWriter().raw(toBinary(schema, rest));
  for (const microVm of microVms) writer.tag(field.number, WireType.LengthDelimited).bytes(bytesOf(microVm));
  return writer.finish();
}

function bytesOf(microVm: MicroVM): Uint8Array {
  const known = kept.get(microVm);
  if (known !== undefined) return known;
  const bytes = toBinary(MicroVMSchema, microVm);
  kept.set(microVm, bytes);
  return bytes;
}
