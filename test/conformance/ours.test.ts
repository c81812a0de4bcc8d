import assert from "node:assert/strict";
import { before, describe, it } from "mocha";
import { examineOurs } from "../../hack/conformance/peers.ts";
import { loadBehaviours } from "../../hack/conformance/suite.ts";
import type { Result } from "../../hack/conformance/suite.ts";

const behaviours = await loadBehaviours();
const flower = { name: "input", datatype: "FP32", shape: [2, 4], data: [5, 3, 1, 0, 6, 3, 5, 2] };

describe("our predictor conforms", () => {
  let results: readonly Result[];
  before(async () => {
    ({ results } = await examineOurs({ model: "iris", request: { inputs: [flower] } }));
  });
  for (const [name, { says }] of behaviours) {
    it(`${name}: ${says}`, () => {
      const result = results.find((each) => each.name === name);
      assert.equal(result?.passed, true, result?.why);
    });
  }
});
