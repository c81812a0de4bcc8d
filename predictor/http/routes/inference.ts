/** POST …/infer of the v2 protocol and …:predict of v1, for whatever skips the hot paths. */
import { ServingError } from "../../errors.ts";
import { serveInference } from "../inference.ts";
import type { Protocol } from "../inference.ts";
import { modelNameOf, modelPaths, versionOf } from "./route.ts";
import type { Answer, AppOptions, Serve } from "./route.ts";

/** Before the metadata's routes: `/v1/models/:model` would take `M:predict` for a name. */
export function addInferenceRoutes(serve: Serve, options: AppOptions): void {
  const infer = inferenceBy(options, "v2");
  for (const path of modelPaths("/infer")) serve(path, { post: infer });
  // Some clients encode the colon.
  serve(/^\/v1\/models\/(?<model>[^/]+)(?::|%3[Aa])predict$/, { post: inferenceBy(options, "v1") });
  serve(/^\/v1\/models\/(?<model>[^/]+)(?::|%3[Aa])explain$/, {
    post: async (request) => {
      const { name } = await options.service.modelNamed(modelNameOf(request));
      throw new ServingError(
        "not-implemented",
        `the model ${JSON.stringify(name)} has no explainer: send the request to :predict`,
      );
    },
  });
}

function inferenceBy(options: AppOptions, protocol: Protocol): Answer {
  return async (request, response) => {
    const model = await options.service.modelNamed(modelNameOf(request));
    const version = await model.version(versionOf(request));
    await serveInference({ request, response }, { model, version, protocol }, options);
  };
}
