/** onnxruntime alone: the request's tensors, run back to back, in a process of its own. */
import { importRuntime, openSession } from "../../../predictor/executor/session.ts";
import { decodeInfer } from "../../../predictor/protocol/infer.ts";
import type { Measured } from "./load.ts";
import { serverOptions } from "./server.ts";
import { percentile } from "./stats.ts";

type Options = { path: string; body: string; ms: number; threads: number };

const { path, body, ms, threads } = serverOptions<Options>();
const session = await openSession(await importRuntime(), { path, threads, optimization: "all" });
const { inputs, outputs } = decodeInfer(Buffer.from(body), session.signature);
for (let warm = 0; warm < 5; warm++) await session.run(inputs, outputs);
const times: number[] = [];
const before = process.cpuUsage();
const end = performance.now() + ms;
for (let now = performance.now(); now < end;) {
  await session.run(inputs, outputs);
  const then = performance.now();
  times.push(then - now);
  now = then;
}
const { user, system } = process.cpuUsage(before);
const cpuUsed = user + system;
const total = times.reduce((sum, each) => sum + each, 0);
const ascending = Float64Array.from(times).sort();
const measured: Measured = {
  perSecond: (times.length / total) * 1000,
  p50: percentile(ascending, 50),
  p95: percentile(ascending, 95),
  p99: percentile(ascending, 99),
  requests: times.length,
  failures: 0,
  cpuUs: cpuUsed / times.length,
};
process.stdout.write(JSON.stringify(measured));
