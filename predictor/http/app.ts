/** The routes. Express decides what is asked for; inference.ts answers the hot ones. */
import express from "express";
import type { Express, NextFunction, Request, Response } from "express";
import { ServingError } from "../errors.ts";
import type { Metrics } from "../ops/metrics.ts";
import { modelMetadata, serverMetadata } from "../protocol/metadata.ts";
import { asServingError, sendError, sendJson } from "./answer.ts";
import { serveInference } from "./inference.ts";
import type { InferenceOptions, Protocol } from "./inference.ts";
import type { Service } from "./service.ts";

export type AppOptions = InferenceOptions & {
  readonly service: Service;
  readonly metrics: Metrics;
  readonly version: string;
};

type Answer = (request: Request, response: Response) => void | Promise<void>;

/** The Express application. Bodies are left to those who need them. */
export function createApp(options: AppOptions): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", false);
  app.set("env", "production");
  const get = (path: string, answer: Answer): void => {
    app.route(path).get(answer).all(refuseMethod("GET, HEAD"));
  };
  const infer = inferenceBy(options, "v2");
  for (const path of ["/v2/models/:model/infer", "/v2/models/:model/versions/:version/infer"]) {
    app.route(path).post(infer).all(refuseMethod("POST"));
  }
  app
    .route(/^\/v1\/models\/(?<model>[^/]+):predict$/)
    .post(inferenceBy(options, "v1"))
    .all(refuseMethod("POST"));
  // After :predict, which /v1/models/:model would take for a name.
  addHealth(get, options);
  addMetadata(get, options);
  app.use(() => {
    throw new ServingError("not-found", "there is nothing at this path");
  });
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    // Express throws these for paths that are no valid percent-encoding.
    const fault =
      error instanceof URIError
        ? new ServingError("invalid", "the path is not valid percent-encoding")
        : asServingError(error);
    if (fault.code === "failed") options.onFault(fault);
    sendError(response, fault);
  });
  return app;
}

type Get = (path: string, answer: Answer) => void;

function refuseMethod(allowed: string): Answer {
  return (request, response) => {
    response.setHeader("allow", allowed);
    throw new ServingError("method-not-allowed", `${request.method} is not allowed here`);
  };
}

function addHealth(get: Get, { service, metrics }: AppOptions): void {
  get("/", (_, response) => sendJson(response, 200, '{"status":"alive"}'));
  get("/v2/health/live", (_, response) => sendJson(response, 200, '{"live":true}'));
  get("/v2/health/ready", (_, response) => sendReady(response, service.ready));
  get("/metrics", async (_, response) => {
    const text = await metrics.render();
    response.writeHead(200, { "content-type": metrics.contentType }).end(text);
  });
}

/** Readiness, also for a server without routes yet. */
export function sendReady(response: Parameters<typeof sendJson>[0], ready: boolean): void {
  if (!ready) response.setHeader("retry-after", "1");
  sendJson(response, ready ? 200 : 503, `{"ready":${ready}}`);
}

function addMetadata(get: Get, { service, version }: AppOptions): void {
  const json = (response: Response, value: object): void =>
    sendJson(response, 200, JSON.stringify(value));
  get("/v2", (_, response) => json(response, serverMetadata(version)));
  for (const path of ["/v2/models/:model", "/v2/models/:model/versions/:version"]) {
    get(path, async (request, response) => {
      const model = await service.modelNamed(String(request.params["model"]));
      const { signature } = await model.version(versionOf(request));
      json(response, modelMetadata(model.name, model.versions, signature));
    });
    get(`${path}/ready`, async (request, response) => {
      const model = await service.modelNamed(String(request.params["model"]));
      const { ready } = await model.version(versionOf(request));
      const serving = ready && service.phase === "serving";
      sendJson(response, serving ? 200 : 503, JSON.stringify({ name: model.name, ready: serving }));
    });
  }
  get("/v1/models", (_, response) =>
    json(response, { models: service.models().map((model) => model.name) }),
  );
  get("/v1/models/:model", async (request, response) => {
    const model = await service.modelNamed(String(request.params["model"]));
    const { name } = model;
    const ready = service.phase === "serving" && model.default.ready;
    sendJson(response, ready ? 200 : 503, JSON.stringify({ name, ready }));
  });
}

function versionOf(request: Request): string | undefined {
  const { version } = request.params;
  return typeof version === "string" ? version : undefined;
}

function inferenceBy(options: AppOptions, protocol: Protocol): Answer {
  return async (request, response) => {
    const model = await options.service.modelNamed(String(request.params["model"]));
    const version = await model.version(versionOf(request));
    await serveInference({ request, response }, { model, version, protocol }, options);
  };
}
