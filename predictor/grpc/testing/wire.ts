/** Messages as another codec writes them, from inference.proto and none of our tables. */
import { fileURLToPath } from "node:url";
import { loadSync } from "@grpc/proto-loader";
import type { ServiceDefinition } from "@grpc/proto-loader";
import type { Datatype } from "../../protocol/datatypes.ts";
import type { Bytes } from "../../protocol/tensor.ts";

const path = fileURLToPath(new URL("../inference.proto", import.meta.url));
const service = loadSync(path, { keepCase: true })[
  "inference.GRPCInferenceService"
] as ServiceDefinition;

/** A ModelInferRequest; 64-bit integers as text. */
export function inferRequestBytes(message: object): Bytes {
  return new Uint8Array(service["ModelInfer"]?.requestSerialize(message) ?? []);
}

/** A field of bytes: a message, a string, or packed numbers. */
export function field(id: number, bytes: Uint8Array): Bytes {
  const head = [(id << 3) | 2];
  let length = bytes.byteLength;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return new Uint8Array(Buffer.concat([Uint8Array.from([...head, length]), bytes]));
}

/** A request to model "m" for one input "x" of so many elements, its contents as they are. */
export function withContents(datatype: Datatype, count: number, contents: Uint8Array): Bytes {
  const head = inferRequestBytes({ inputs: [{ name: "x", datatype, shape: [count] }] });
  // Behind the tag and the length, which is below 128.
  const input = field(5, Buffer.concat([head.subarray(2), field(5, contents)]));
  return new Uint8Array(Buffer.concat([field(1, Buffer.from("m")), input]));
}
