/**
 * onnxruntime alone, by its public interface: the request's tensors run back to back, in a process
 * of its own, whenever it's told to. What eight callers would see, one after the other, follows
 * from the same runs: each waits for the seven before.
 */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { importRuntime, openSession } from "../../../predictor/executor/session.ts";
import { headerLengthHeader, parseHeaderLength } from "../../../predictor/protocol/binary.ts";
import { decodeInfer } from "../../../predictor/protocol/infer.ts";
import { viewOf } from "../../../predictor/protocol/tensor.ts";
import { datatypes } from "../../../predictor/protocol/datatypes.ts";
import type { Sample } from "./samples.ts";
import { announce, serverOptions } from "./server.ts";
import { workloadNamed } from "./workloads.ts";

export type RawOptions = { readonly workload: string; readonly threads: number };
export type RawOrder = {
  readonly ms: number;
  readonly callers: number;
  /** Run the quick request. */
  readonly quick?: boolean;
};

type Feeds = Record<string, OrtTensor>;

const { workload, threads } = serverOptions<RawOptions>();
const { path, bodies, headers, quickBodies = bodies } = await workloadNamed(workload);
const [feeds = {}, quickFeeds = {}] = await feedsOf([bodies, quickBodies]);
const session = await InferenceSession.create(path, {
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionProviders: ["cpu"],
});
const outputs = session.outputNames.filter((_, index) => session.outputMetadata[index]?.isTensor);

/** The tensors of the first request of each, by the predictor's own decoder. */
async function feedsOf(workloads: readonly (readonly Uint8Array[])[]): Promise<Feeds[]> {
  const options = { path, threads: 1, optimization: "basic" } as const;
  const decoder = await openSession(await importRuntime(), options);
  await decoder.release();
  return workloads.map(([body = Buffer.of()]) => {
    const bytes = Uint8Array.from(body);
    const headerLength = parseHeaderLength(headers?.[headerLengthHeader], bytes.byteLength);
    const { inputs } = decodeInfer(bytes, decoder.signature, headerLength);
    const tensors = inputs.map((input) => {
      const { onnx } = datatypes[input.datatype];
      const values = viewOf(input) as never;
      return [input.name, new OrtTensor(onnx as never, values, input.shape)] as const;
    });
    return Object.fromEntries(tensors);
  });
}

async function measure({ ms, callers, quick = false }: RawOrder): Promise<Sample> {
  const given = quick ? quickFeeds : feeds;
  const ends: number[] = [];
  const before = process.cpuUsage();
  const started = performance.now();
  for (let now = started; now < started + ms; now = performance.now()) {
    await session.run(given, outputs);
    ends.push(performance.now());
  }
  const { user, system } = process.cpuUsage(before);
  return {
    latencies: Float64Array.from(ends, (end, index) => end - (ends[index - callers] ?? started)),
    failures: 0,
    elapsedMs: (ends.at(-1) ?? started) - started,
    cpuMs: (user + system) / 1000,
  };
}

for (let warm = 0; warm < 3; warm++) await session.run(feeds, outputs);
process.on("message", (order) => {
  void measure(order as RawOrder).then((measured) => process.send?.(measured));
});
announce(0);
