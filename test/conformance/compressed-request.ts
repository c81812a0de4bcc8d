import { gzipSync } from "node:zlib";
import { ask, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A body may be compressed.",
  source: "RFC 9110; tritonclient",
  check: async (target) => {
    const body = gzipSync(JSON.stringify(target.request));
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    inferenceOf(await ask(target, modelPath(target, "/infer"), { method: "POST", headers, body }));
  },
};
