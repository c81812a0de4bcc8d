import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { identityModel } from "../../hack/models/fixtures.ts";
import { model, node, tensor, toBytes, value } from "../../hack/models/onnx.ts";
import type { Message } from "../../hack/models/onnx.ts";
import { fromBFloat16, narrow } from "../protocol/bfloat16.ts";
import { encodeMessage } from "../protocol/protobuf.ts";
import type { MessageType } from "../protocol/protobuf.ts";
import type { Bytes, Tensor } from "../protocol/tensor.ts";
import { widenBFloat16 } from "./bfloat16-model.ts";
import { importRuntime, openSession } from "./session.ts";
import type { Session } from "./session.ts";

const bytesOf = (values: readonly number[]): Bytes => new Uint8Array(narrow(values).buffer);

function numbers({ data }: Tensor): readonly number[] {
  return [...fromBFloat16(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2))];
}

/** Of a TensorProto whose elements lie in a file of their own. */
const externalTensor: MessageType = {
  dims: { id: 1, type: "long", repeated: true },
  data_type: { id: 2, type: "int" },
  name: { id: 8, type: "string" },
  external_data: {
    id: 13,
    type: { key: { id: 1, type: "string" }, value: { id: 2, type: "string" } },
    repeated: true,
  },
  data_location: { id: 14, type: "int" },
};

const weightBytes = bytesOf([0.5, -1]);
const weights = "weights.bin";

function weightElsewhere(): Message {
  const chunks = encodeMessage(externalTensor, {
    dims: [2n],
    data_type: 16,
    name: "w",
    external_data: [{ key: "location", value: weights }],
    data_location: 1,
  });
  return { chunks, length: chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) };
}

const inFile = tensor("w", "BFLOAT16", [2], weightBytes);

/** y = (x + w) in bfloat16. */
function sum({ weight = inFile, listed = false }: { weight?: Message; listed?: boolean }): Message {
  return model({
    name: "sum",
    nodes: [
      node("Cast", ["x"], ["wide_x"], { to: 1 }),
      node("Cast", ["w"], ["wide_w"], { to: 1 }),
      node("Add", ["wide_x", "wide_w"], ["wide_y"]),
      node("Cast", ["wide_y"], ["y"], { to: 16 }),
      node("Cast", ["scale"], ["ignored"], { to: 1 }),
      node("Identity", ["ignored"], ["z"]),
    ],
    inputs: [
      value("x", "BFLOAT16", ["batch", 2]),
      value("scale", "FLOAT", ["batch"]),
      ...(listed ? [value("w", "BFLOAT16", [2])] : []),
    ],
    outputs: [value("y", "BFLOAT16", ["batch", 2]), value("z", "FLOAT", ["batch"])],
    initializers: [weight],
  });
}

describe("a model with bfloat16 at its borders", () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-bfloat16-"));
    path = join(folder, "model.onnx");
  });
  after(async () => rm(folder, { recursive: true }));

  async function opened(bytes: Uint8Array): Promise<Session> {
    await writeFile(path, bytes);
    return openSession(await importRuntime(), { path, threads: 1, optimization: "all" });
  }

  for (const [how, given] of [
    ["its weights in it", {}],
    // As IR 3 has it.
    ["its weights among its inputs", { listed: true }],
    ["its weights in a file beside it", { weight: weightElsewhere() }],
  ] as const) {
    it(`computes in it, ${how}`, async () => {
      await writeFile(join(folder, weights), weightBytes);
      const session = await opened(toBytes(sum(given)));
      const described = session.signature.inputs.map(({ name, datatype, shape }) => [
        name,
        datatype,
        ...shape,
      ]);
      assert.deepEqual(described.slice(0, 2), [
        ["x", "BF16", -1, 2],
        ["scale", "FP32", -1],
      ]);
      assert.deepEqual(
        session.signature.outputs.map(({ name, datatype }) => [name, datatype]),
        [
          ["y", "BF16"],
          ["z", "FP32"],
        ],
      );
      const inputs: Tensor[] = [
        { name: "x", datatype: "BF16", shape: [2, 2], data: bytesOf([1, 2, 3, 1 / 3]) },
        {
          name: "scale",
          datatype: "FP32",
          shape: [2],
          data: new Uint8Array(Float32Array.of(7, 8).buffer),
        },
      ];
      const [y, z] = await session.run(inputs, ["y", "z"]);
      assert.ok(y !== undefined && z !== undefined);
      assert.deepEqual([y.name, y.datatype, y.shape], ["y", "BF16", [2, 2]]);
      // A third is 171/512 there, and what is left lies between 170/256 and 171/256.
      assert.deepEqual(numbers(y), [1.5, 1, 3.5, -170 / 256]);
      assert.equal(z.datatype, "FP32");
      await session.release();
    });
  }

  it("gives every number as it came, and what is none too", async () => {
    const session = await opened(identityModel("BFLOAT16", ["n"]));
    const words = Uint16Array.from({ length: 65_536 }, (_, index) => index);
    const data = new Uint8Array(words.buffer);
    const [y] = await session.run([{ name: "x", datatype: "BF16", shape: [65_536], data }], ["y"]);
    assert.ok(y !== undefined);
    assert.deepEqual(numbers(y), [...fromBFloat16(words)]);
    await session.release();
  });

  it("is left alone where it has none, and no model is refused", () => {
    assert.equal(widenBFloat16(new Uint8Array(identityModel("FLOAT"))), undefined);
    assert.throws(() => widenBFloat16(Uint8Array.of(0x3a, 200, 1)), /no valid protocol buffer/);
  });
});
