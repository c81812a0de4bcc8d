/**
 * The model repository extension: what models there are, load one, unload one. For operators: these
 * routes are on the administration's port only.
 */
import type { Request } from "express";
import { invalid } from "../../errors.ts";
import type { ModelEntry } from "../../models/models.ts";
import { isObject, parseJson } from "../../protocol/json.ts";
import type { JsonObject } from "../../protocol/json.ts";
import { readBody } from "../body.ts";
import { modelNameOf, sendValue } from "./route.ts";
import type { AppOptions, Serve } from "./route.ts";

/** Adds `/v2/repository/index` and `/v2/repository/models/M/{load,unload}`. */
export function addRepositoryRoutes(serve: Serve, { service, bodyBytesMax }: AppOptions): void {
  const bodyOf = async (request: Request): Promise<JsonObject> => {
    const body = await readBody(request, bodyBytesMax);
    // Clients send no body at all where it would say nothing.
    const json = body.byteLength === 0 ? {} : parseJson(body);
    if (isObject(json)) return json;
    throw invalid("the body is not a JSON object");
  };
  serve("/v2/repository/index", {
    post: async (request, response) => {
      const { ready = false } = await bodyOf(request);
      if (typeof ready !== "boolean") throw invalid("ready is neither true nor false");
      sendValue(response, repositoryIndex(service.models(), ready));
    },
  });
  serve("/v2/repository/models/:model/load", {
    post: async (request, response) => {
      refuseContent((await bodyOf(request))["parameters"]);
      const name = modelNameOf(request);
      await service.load(name);
      sendValue(response, { name, load: true });
    },
  });
  serve("/v2/repository/models/:model/unload", {
    post: async (request, response) => {
      await bodyOf(request);
      const name = modelNameOf(request);
      await service.unload(name);
      sendValue(response, { name, unload: true });
    },
  });
}

export type IndexEntry = {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly reason: string;
};

/** An entry per version; a model whose versions nobody knows yet has one without. */
export function repositoryIndex(models: readonly ModelEntry[], readyOnly: boolean): IndexEntry[] {
  return models
    .filter(({ state }) => !readyOnly || state === "READY")
    .flatMap(({ name, versions, state, reason }): IndexEntry[] =>
      versions.length === 0
        ? [{ name, state, reason }]
        : versions.map((version) => ({ name, version, state, reason })),
    );
}

/** Triton would take a model's configuration and files here. */
export function refuseContent(parameters: unknown): void {
  const names = isObject(parameters) ? Object.keys(parameters) : [];
  if (names.some((name) => name === "config" || name.startsWith("file:"))) {
    throw invalid("a model is loaded from its storage: parameters config and file: are not served");
  }
}
