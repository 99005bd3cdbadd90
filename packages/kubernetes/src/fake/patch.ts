/** JSON merge patch (RFC 7386) and JSON patch (RFC 6902: add, remove, replace, test), as the API server applies them. */
import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../client/api-error.ts";
import type { JsonPatch } from "../client/client.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

export function mergePatched(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, JsonValue> = isJsonObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatched(result[name], value);
  }
  return result;
}

/** Throws ApiError Invalid, as the server does, when a path is not there or a test fails. */
export function jsonPatched(target: JsonObject, patch: JsonPatch): JsonObject {
  let result: JsonValue = target;
  for (const operation of patch) {
    const steps = operation.path
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const value: JsonValue = operation.value === undefined ? null : JSON.parse(JSON.stringify(operation.value));
    result = operate(result, steps, { ...operation, value });
  }
  if (!isJsonObject(result)) throw refused("the patch leaves no object");
  return result;
}

interface Operation {
  readonly op: JsonPatch[number]["op"];
  readonly path: string;
  readonly value: JsonValue;
}

function operate(target: JsonValue, steps: readonly string[], operation: Operation): JsonValue {
  const [step, ...rest] = steps;
  if (step === undefined) return atTarget(target, operation);
  if (Array.isArray(target)) return inList(target, step, rest, operation);
  if (!isJsonObject(target)) throw refused(`there is nothing at ${operation.path}`);
  const child = target[step];
  if (rest.length === 0 && operation.op === "add") return { ...target, [step]: operation.value };
  if (child === undefined) throw refused(`there is nothing at ${operation.path}`);
  if (rest.length === 0 && operation.op === "remove") {
    const { [step]: _removed, ...left } = target;
    return left;
  }
  return { ...target, [step]: operate(child, rest, operation) };
}

function inList(target: readonly JsonValue[], step: string, rest: readonly string[], operation: Operation): JsonValue {
  const index = step === "-" ? target.length : Number(step);
  const adds = rest.length === 0 && operation.op === "add";
  if (!Number.isInteger(index) || index < 0 || index > target.length || (index === target.length && !adds)) {
    throw refused(`there is nothing at ${operation.path}`);
  }
  if (adds) return target.toSpliced(index, 0, operation.value);
  if (rest.length === 0 && operation.op === "remove") return target.toSpliced(index, 1);
  return target.with(index, operate(target[index] ?? null, rest, operation));
}

function atTarget(target: JsonValue, operation: Operation): JsonValue {
  if (operation.op === "remove") return null;
  if (operation.op !== "test") return operation.value;
  if (!isDeepStrictEqual(target, operation.value)) throw refused(`testing value ${operation.path} failed`);
  return target;
}

function refused(message: string): ApiError {
  return new ApiError(message, { httpStatus: 422, reason: "Invalid" });
}
