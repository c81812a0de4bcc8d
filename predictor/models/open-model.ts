import { messageOf } from "../errors.ts";
import type { Executors } from "../executor/executors.ts";
import type { ModelMetrics } from "../ops/metrics.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import { ServedModel, ServedVersion } from "../served-model.ts";
import type { VersionOptions } from "../served-model.ts";

export type OpenModelParts = {
  readonly name: string;
  /** Ascending. */
  readonly versions: readonly ModelVersion[];
  /** The last of them. */
  readonly newest: ModelVersion;
  readonly metricsOf: (version: string) => ModelMetrics;
  /** Told of each try to load another version that fails. */
  readonly failed: (version: string, reason: string) => void;
};

/**
 * A model of a service of its own: the newest version in the executors that were prepared for it,
 * others in executors of their own, once they are asked for. Rejects with LoadFailed.
 */
export async function openModel(
  executors: Executors,
  { name, versions, newest, metricsOf, failed }: OpenModelParts,
  given: VersionOptions,
): Promise<ServedModel> {
  const options = { ...given, modelName: name };
  const metrics = metricsOf(newest.version);
  const first = await ServedVersion.load(executors, { ...newest, metrics }, options);
  const open = async (version: string): Promise<ServedVersion> => {
    const found = versions.find((each) => each.version === version);
    if (found === undefined) throw new Error(`version ${version} is not in the repository`);
    const of = metricsOf(version);
    const other = ServedVersion.prepare(options, of);
    return ServedVersion.load(other, { ...found, metrics: of }, options);
  };
  return new ServedModel({
    name,
    versions: versions.map((each) => each.version),
    first,
    open,
    failed: (version, error) => failed(version, messageOf(error)),
    clock: options.clock,
  });
}
