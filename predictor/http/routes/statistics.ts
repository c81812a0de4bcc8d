/** GET …/config and …/stats: the model configuration and statistics extensions. */
import { modelConfig } from "../../protocol/config.ts";
import type { Service } from "../service.ts";
import type { ModelStatistics } from "../../ops/statistics.ts";
import { modelNameOf, modelPaths, sendValue, versionOf } from "./route.ts";
import type { AppOptions, Serve } from "./route.ts";

/** Adds both, with and without a version, and the statistics of all models. */
export function addStatisticsRoutes(serve: Serve, { service }: AppOptions): void {
  for (const path of modelPaths("/config")) {
    serve(path, {
      get: async (request, response) => {
        const model = await service.modelNamed(modelNameOf(request));
        const { signature, batching } = await model.version(versionOf(request));
        sendValue(response, modelConfig(model.name, signature, batching));
      },
    });
  }
  // Before /v2/models/:model, which would take "stats" for a name.
  serve("/v2/models/stats", {
    get: async (_, response) => sendValue(response, describe(await allStatistics(service))),
  });
  for (const path of modelPaths("/stats")) {
    serve(path, {
      get: async (request, response) => {
        const model = await service.modelNamed(modelNameOf(request));
        const version = await model.version(versionOf(request));
        sendValue(response, describe([version.metrics.statistics()]));
      },
    });
  }
}

/** The default versions of all models that are loaded: asking must not load one. */
export async function allStatistics(service: Service): Promise<ModelStatistics[]> {
  const ready = service.models().filter(({ state }) => state === "READY");
  const models = await Promise.all(ready.map(async ({ name }) => service.modelNamed(name)));
  return models.map((model) => model.default.metrics.statistics());
}

function describe(statistics: readonly ModelStatistics[]): object {
  return {
    model_stats: statistics.map((each) => ({ ...each, response_stats: {}, memory_usage: [] })),
  };
}
