import { ask, assertError, infer, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A number that no datatype holds is 400, and no fault of the server.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const path = modelPath(target, "/infer");
    const text = JSON.stringify(target.request);
    const whole = target.request.inputs[0]?.datatype.includes("INT") === true;
    for (const large of ["1e400", "-1e400", ...(whole ? ["1e30", "1".repeat(40)] : [])]) {
      const body = text.replace(/"data":\[[^,\]]+/, `"data":[${large}`);
      assertError(await ask(target, path, { method: "POST", body }), 400);
    }
    inferenceOf(await infer(target));
  },
};
