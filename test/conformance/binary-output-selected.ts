import assert from "node:assert/strict";
import { bytesOf, infer, inferenceOf, splitBinary } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "One output may come as bytes while another is JSON.",
  source: "Binary tensor data extension",
  check: async (target) => {
    const [first, ...others] = inferenceOf(await infer(target)).outputs;
    assert(first !== undefined);
    const wanted = [
      { name: first.name, parameters: { binary_data: true } },
      ...others.map(({ name }) => ({ name, parameters: { binary_data: false } })),
    ];
    const { head, rest } = splitBinary(await infer(target, { outputs: wanted }));
    assert.deepEqual(rest, bytesOf(first));
    assert.deepEqual(
      head.outputs.slice(1).map(({ data }) => data.flat(Infinity)),
      others.map(({ data }) => data.flat(Infinity)),
    );
  },
};
