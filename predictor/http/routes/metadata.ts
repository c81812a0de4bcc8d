/** What the server and its models are, in the words of both protocols. */
import { modelMetadata, serverMetadata } from "../../protocol/metadata.ts";
import { sendJson } from "../answer.ts";
import { modelNameOf, modelPaths, sendValue, versionOf } from "./route.ts";
import type { AppOptions, Serve } from "./route.ts";

/** Adds `/v2`, `/v2/models`, `/v2/models/M[/versions/V][/ready]`, `/v1/models` and `/v1/models/M`. */
export function addMetadataRoutes(serve: Serve, options: AppOptions): void {
  const { service, version, administered } = options;
  const metadata = serverMetadata(version, administered);
  serve("/v2", { get: (_, response) => sendValue(response, metadata) });
  for (const path of modelPaths("")) {
    serve(path, {
      get: async (request, response) => {
        const model = await service.modelNamed(modelNameOf(request));
        const { signature } = await model.version(versionOf(request));
        sendValue(response, modelMetadata(model.name, model.versions, signature));
      },
    });
  }
  for (const path of modelPaths("/ready")) {
    serve(path, {
      get: async (request, response) => {
        const model = await service.modelNamed(modelNameOf(request));
        const { ready: loaded } = await model.version(versionOf(request));
        const ready = loaded && service.phase === "serving";
        sendJson(response, ready ? 200 : 503, JSON.stringify({ name: model.name, ready }));
      },
    });
  }
  // The latter is KServe's, too.
  for (const path of ["/v1/models", "/v2/models"]) {
    serve(path, {
      get: (_, response) =>
        sendValue(response, { models: service.models().map(({ name }) => name) }),
    });
  }
  serve("/v1/models/:model", {
    get: async (request, response) => {
      const model = await service.modelNamed(modelNameOf(request));
      const { name } = model;
      const ready = service.phase === "serving" && model.default.ready;
      sendJson(response, ready ? 200 : 503, JSON.stringify({ name, ready }));
    },
  });
}
