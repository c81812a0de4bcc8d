/** How a family of routes says what it serves: a path, and an answer per method. */
import type { Request, Response } from "express";
import { ServingError } from "../../errors.ts";
import type { Metrics } from "../../ops/metrics.ts";
import { sendJson } from "../answer.ts";
import type { InferenceOptions } from "../inference.ts";
import type { Service } from "../service.ts";

export type AppOptions = InferenceOptions & {
  readonly service: Service;
  readonly metrics: Metrics;
  readonly version: string;
  /** Whether the repository's routes are served, on the administration's port. */
  readonly administered?: boolean;
};

export type Answer = (request: Request, response: Response) => void | Promise<void>;

/** HEAD is answered wherever GET is. */
export type Methods = { readonly get?: Answer; readonly post?: Answer };

/** Serves a path; other methods than those given are 405 with Allow. */
export type Serve = (path: string | RegExp, methods: Methods) => void;

/** Throws `method-not-allowed`, having said which methods are. */
export function refuseMethod(methods: Methods): Answer {
  const names = [...(methods.get ? ["GET", "HEAD"] : []), ...(methods.post ? ["POST"] : [])];
  return (request, response) => {
    response.setHeader("allow", names.join(", "));
    throw new ServingError("method-not-allowed", `${request.method} is not allowed here`);
  };
}

/** A value as JSON, 200. */
export function sendValue(response: Response, value: unknown): void {
  sendJson(response, 200, JSON.stringify(value));
}

/** The path's model name. */
export function modelNameOf(request: Request): string {
  return String(request.params["model"]);
}

/** The path's version, if it has one. */
export function versionOf(request: Request): string | undefined {
  const { version } = request.params;
  return typeof version === "string" ? version : undefined;
}

/** What a model's route serves, with and without a version: `/v2/models/:model` + both + `end`. */
export function modelPaths(end: string): string[] {
  return ["/v2/models/:model", "/v2/models/:model/versions/:version"].map((path) => path + end);
}
