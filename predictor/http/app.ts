/** The routes, a file per family. Express decides what is asked for; inference.ts answers. */
import express from "express";
import type { Express, NextFunction, Request, Response } from "express";
import { ServingError } from "../errors.ts";
import { asServingError, sendError } from "./answer.ts";
import { addGenerateRoutes } from "./routes/generate.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addInferenceRoutes } from "./routes/inference.ts";
import { addMetadataRoutes } from "./routes/metadata.ts";
import { addPageRoutes } from "./routes/page.ts";
import { refuseMethod } from "./routes/route.ts";
import type { AppOptions, Serve } from "./routes/route.ts";
import { addStatisticsRoutes } from "./routes/statistics.ts";

type Family = (serve: Serve, options: AppOptions) => void;

/** In this order: the first route that matches answers. */
export const families: readonly Family[] = [
  addInferenceRoutes,
  addGenerateRoutes,
  addHealthRoutes,
  addStatisticsRoutes,
  addMetadataRoutes,
  addPageRoutes,
];

/** The Express application. Bodies are left to those who need them. */
export function createApp(options: AppOptions, served = families): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", false);
  app.set("env", "production");
  const serve: Serve = (path, methods) => {
    const route = app.route(path);
    if (methods.get !== undefined) route.get(methods.get);
    if (methods.post !== undefined) route.post(methods.post);
    route.all(refuseMethod(methods));
  };
  for (const add of served) add(serve, options);
  app.use(() => {
    throw new ServingError("not-found", "there is nothing at this path");
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    // Express throws these for paths that are no valid percent-encoding.
    const fault =
      error instanceof URIError
        ? new ServingError("invalid", "the path is not valid percent-encoding")
        : asServingError(error);
    if (fault.code === "failed") options.onFault(fault, request);
    sendError(response, fault);
  });
  return app;
}
