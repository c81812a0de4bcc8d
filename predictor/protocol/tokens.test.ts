import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { distilbertModel } from "../../hack/models/distilbert.ts";
import { toBytes } from "../../hack/models/onnx.ts";
import { isClose } from "../executor/probe.ts";
import { importRuntime, openSession } from "../executor/session.ts";
import type { Session } from "../executor/session.ts";
import type { Datatype } from "./datatypes.ts";
import type { Signature, Tensor, TensorSpec } from "./tensor.ts";
import { joinTokens, lengthOf, splitTokens, tokenLayout } from "./tokens.ts";

type Dim = number | string;

function spec(name: string, datatype: Datatype, ...dims: Dim[]): TensorSpec {
  const shape = dims.map((dim) => (typeof dim === "number" ? dim : -1));
  const dimensionNames = dims.map((dim) => (typeof dim === "number" ? "" : dim));
  return { name, datatype, shape, dimensionNames };
}

const ids = (...dims: Dim[]): TensorSpec[] =>
  ["input_ids", "attention_mask"].map((name) => spec(name, "INT64", ...dims));

describe("what counts as a token model", () => {
  const tokens = ids("b", "s");
  const rows: { why: string; signature: Signature; perToken: string[] | undefined }[] = [
    {
      why: "logits per token and a row of classes",
      signature: {
        inputs: tokens,
        outputs: [spec("starts", "FP32", "b", "s"), spec("classes", "FP32", "b", 3)],
      },
      perToken: ["starts"],
    },
    {
      why: "hidden states, with nameless dimensions",
      signature: { inputs: ids("", ""), outputs: [spec("hidden", "FP32", "", "", 16)] },
      perToken: ["hidden"],
    },
    {
      why: "no mask: nothing says where the row ends",
      signature: { inputs: tokens.slice(0, 1), outputs: [spec("y", "FP32", "b", "s")] },
      perToken: undefined,
    },
    {
      why: "another input, of which nobody knows how to pad it",
      signature: {
        inputs: [...tokens, spec("bbox", "INT64", "b", "s")],
        outputs: [spec("y", "FP32", "b", 2)],
      },
      perToken: undefined,
    },
    {
      why: "a fixed length",
      signature: { inputs: ids("b", 128), outputs: [spec("y", "FP32", "b", 2)] },
      perToken: undefined,
    },
    {
      why: "attentions, whose last dimensions are both the sequence",
      signature: { inputs: tokens, outputs: [spec("y", "FP32", "b", 2, "s", "s")] },
      perToken: undefined,
    },
    {
      why: "an output of another free length",
      signature: { inputs: tokens, outputs: [spec("y", "FP32", "b", "t")] },
      perToken: undefined,
    },
  ];
  for (const { why, signature, perToken } of rows) {
    it(why, () => {
      const layout = tokenLayout(signature);
      assert.deepEqual(layout && [...layout.perToken], perToken);
    });
  }
});

describe("sequences joined by padding", () => {
  let folder = "";
  let session: Session;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-tokens-"));
    const shape = { words: 50, positions: 64, width: 16, inner: 32, heads: 2, layers: 2 };
    const path = join(folder, "model.onnx");
    await writeFile(path, toBytes(distilbertModel(shape)));
    session = await openSession(await importRuntime(), { path, threads: 1, optimization: "all" });
  });
  after(async () => {
    await session.release();
    await rm(folder, { recursive: true });
  });

  const row = (length: number): fc.Arbitrary<number[]> =>
    fc.array(fc.nat({ max: 49 }), { minLength: length, maxLength: length });
  const request = fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }))
    .chain(([length, rows]) => fc.array(row(length), { minLength: rows, maxLength: rows }));

  function inputsOf(rows: readonly number[][]): Tensor[] {
    const shape = [rows.length, rows[0]?.length ?? 0];
    const values = rows.flat();
    const tensor = (name: string, numbers: number[]): Tensor => {
      const data = new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
      return { name, datatype: "INT64", shape, data };
    };
    const mask = values.map(() => 1);
    return [tensor("input_ids", values), tensor("attention_mask", mask)];
  }

  it("give each request what it gets alone, at its own length", async () => {
    const names = ["start_logits", "end_logits"];
    const layout = tokenLayout(session.signature);
    assert(layout);
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 5 }), async (requests) => {
        const inputs = requests.map(inputsOf);
        const parts = inputs.map((each) => ({
          rows: each[0]?.shape[0] ?? 0,
          length: lengthOf(each) ?? assert.fail("of one length"),
        }));
        const split = splitTokens(await session.run(joinTokens(inputs), names), parts, layout);
        assert(split);
        for (const [index, each] of inputs.entries()) {
          const alone = await session.run(each, names);
          alone.forEach((tensor, output) => {
            assert(isClose(tensor, split[index]?.[output]), `${tensor.name} of ${index}`);
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are nobody's when the outputs aren't as long as the longest", () => {
    const layout = { perToken: new Set(["y"]) };
    const y: Tensor = { name: "y", datatype: "UINT8", shape: [2, 3], data: new Uint8Array(6) };
    const parts = [2, 4].map((length) => ({ rows: 1, length }));
    assert.equal(splitTokens([y], parts, layout), undefined);
  });

  it("keep rows without any token apart", () => {
    const ids = (shape: number[], ...values: number[]): Tensor[] => [
      { name: "input_ids", datatype: "UINT8", shape, data: Uint8Array.from(values) },
    ];
    const [joined] = joinTokens([ids([1, 0]), ids([1, 2], 7, 8), ids([2, 1], 5, 6)]);
    assert.deepEqual(joined?.shape, [4, 2]);
    assert.deepEqual([...(joined?.data ?? [])], [0, 0, 7, 8, 5, 0, 6, 0]);
  });
});
