/** What one writes in half an hour: Express, express.json(), the session in the server's thread. */
import type { AddressInfo } from "node:net";
import express from "express";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { announce, serverOptions } from "./server.ts";

type Input = { name: string; shape: number[]; datatype: string; data: number[] };

const { path, threads } = serverOptions<{ path: string; threads: number }>();
const session = await InferenceSession.create(path, {
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
});
const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(express.json({ limit: "64mb" }));
app.get("/v2/health/live", (_, response) => {
  response.json({ live: true });
});
// oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 awaits handlers
app.post("/v2/models/:model/infer", async (request, response) => {
  const { id, inputs } = request.body as { id?: string; inputs: Input[] };
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input)]));
  const results = await session.run(feeds);
  const outputs = Object.entries(results).map(([name, { dims, type, data }]) => ({
    name,
    shape: dims,
    datatype: type === "int64" ? "INT64" : "FP32",
    data: Array.from(data as ArrayLike<number | bigint>, Number),
  }));
  response.json({ model_name: request.params.model, id, outputs });
});
const server = app.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));

function tensorOf({ datatype, data, shape }: Input): Tensor {
  return datatype === "INT64"
    ? new Tensor("int64", BigInt64Array.from(data, BigInt), shape)
    : new Tensor("float32", Float32Array.from(data), shape);
}
