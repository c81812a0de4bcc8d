import { ask, assertError, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A binary size that the shape contradicts is 400.",
  source: "Binary tensor data extension",
  check: async (target) => {
    const inputs = target.request.inputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape,
      parameters: { binary_data_size: 1 },
    }));
    const head = Buffer.from(JSON.stringify({ inputs }));
    const answer = await ask(target, modelPath(target, "/infer"), {
      method: "POST",
      headers: { "inference-header-content-length": String(head.byteLength) },
      body: Buffer.concat([head, Buffer.alloc(inputs.length)]),
    });
    assertError(answer, 400);
  },
};
