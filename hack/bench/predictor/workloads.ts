/** The two models that the benchmarks serve, and a request for each. */
import { fileURLToPath } from "node:url";
import { cachedDistilbert } from "../../models/distilbert.ts";

export type Workload = {
  readonly name: string;
  readonly path: string;
  readonly body: string;
  /** How long one cell is measured. */
  readonly ms: number;
};

const sequence = 128;

/** Iris: the overhead of serving. DistilBERT: the weight of the model. */
export async function workloads(): Promise<Workload[]> {
  const tokens = Array.from({ length: sequence }, (_, index) => 1000 + ((index * 7919) % 28_000));
  return [
    {
      name: "iris",
      path: fileURLToPath(new URL("../../../examples/iris/model/iris.onnx", import.meta.url)),
      body: inferBody([
        { name: "input", shape: [1, 4], datatype: "FP32", data: [5.1, 3.5, 1.4, 0.2] },
      ]),
      ms: 2000,
    },
    {
      name: "distilbert",
      path: await cachedDistilbert(),
      body: inferBody([
        { name: "input_ids", shape: [1, sequence], datatype: "INT64", data: tokens },
        {
          name: "attention_mask",
          shape: [1, sequence],
          datatype: "INT64",
          data: tokens.map(() => 1),
        },
      ]),
      ms: 8000,
    },
  ];
}

function inferBody(inputs: readonly object[]): string {
  return JSON.stringify({ id: "bench-1", inputs });
}
