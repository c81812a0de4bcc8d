import assert from "node:assert/strict";
import { ask, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "The model says its name, platform, inputs and outputs.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { status, json } = await ask(target, modelPath(target));
    assert.equal(status, 200);
    const { name, platform, inputs, outputs } = json as Record<string, unknown>;
    assert.equal(name, target.model);
    assert.equal(typeof platform, "string");
    for (const tensors of [inputs, outputs]) {
      assert(Array.isArray(tensors) && tensors.length > 0, "a list of tensors is missing or empty");
      for (const tensor of tensors as Record<string, unknown>[]) {
        assert.equal(typeof tensor["name"], "string");
        assert.match(
          String(tensor["datatype"]),
          /^(BOOL|U?INT(8|16|32|64)|B?FP?(16|32|64)|BYTES)$/,
        );
        assert(Array.isArray(tensor["shape"]), "a tensor has no shape");
      }
    }
  },
};
