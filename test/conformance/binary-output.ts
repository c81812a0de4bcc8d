import assert from "node:assert/strict";
import { bytesOf, infer, inferBinary, inferenceOf, splitBinary } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Outputs come as bytes when the request says so.",
  source: "Binary tensor data extension",
  check: async (target) => {
    const { outputs } = inferenceOf(await infer(target));
    const answer = await inferBinary(target, { parameters: { binary_data_output: true } });
    const { head, rest } = splitBinary(answer);
    assert.deepEqual(
      head.outputs.map(({ name, shape }) => [name, shape]),
      outputs.map(({ name, shape }) => [name, shape]),
    );
    const sizes = head.outputs.map(({ parameters }) => Number(parameters?.["binary_data_size"]));
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      rest.byteLength,
    );
    assert.deepEqual(rest, Buffer.concat(outputs.map(bytesOf)));
  },
};
