/** PURE: how a session is created. What onnxruntime does better by other than its defaults. */
import type { InferenceSession } from "onnxruntime-node";

export type SessionOptions = {
  readonly path: string;
  readonly threads: number;
  /** See LoadOptions. */
  readonly spinning?: boolean;
  readonly optimization: "all" | "basic";
  /** onnxruntime's execution providers, the wanted one first; the CPU without it. */
  readonly providers?: readonly string[] | undefined;
};

/** The execution provider that every machine has. */
export const cpu = "cpu";

/**
 * How onnxruntime's threads wait between the steps of a run. By its own default they poll for as long
 * as they like, after the run too: the CPU then lacks to whoever has the next request. So they poll
 * for about as long as a step takes that has work for one thread only, and stop with the run.
 */
const polling = {
  intra_op: { allow_spinning: "1", spin_duration_us: "50" },
  force_spinning_stop: "1",
};
const sleeping = { intra_op: { allow_spinning: "0" } };

/**
 * SkipLayerNormalization adds up to three tensors and normalises the sum, element by element, with
 * a question in between for each tensor. The CPU is faster with two additions, each a loop of
 * vectors, and the normalisation after them: by 3 to 13 % of a transformer's run
 * (docs/decisions/0019). An accelerator wants one kernel instead of three.
 */
const slowOnCpu = { disable_specified_optimizers: "SkipLayerNormFusion" };

/**
 * What InferenceSession.create is given. `folder` is for a model in memory: there lie the files that
 * it names for its weights.
 */
export function createOptions(
  options: SessionOptions,
  folder?: string,
): InferenceSession.SessionOptions {
  const { threads, spinning = false, optimization, providers = [cpu] } = options;
  const onCpuOnly = providers.every((provider) => provider === cpu);
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: {
      session: {
        ...(spinning ? polling : sleeping),
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
      ...(onCpuOnly ? { optimization: slowOnCpu } : {}),
    },
    graphOptimizationLevel: optimization,
    // What goes wrong is thrown, too; a client must not be able to fill the log with it.
    logSeverityLevel: 4,
    executionProviders: [...providers],
  };
}
