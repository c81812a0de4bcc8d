/** POST /: the service as a sink of Knative Eventing, which delivers to a service's root. */
import type { Request, Response } from "express";
import { invalid } from "../../errors.ts";
import { serveInference } from "../inference.ts";
import type { AppOptions } from "./route.ts";

/** An event for the only model; its data say which protocol they speak. */
export async function answerEvent(
  request: Request,
  response: Response,
  options: AppOptions,
): Promise<void> {
  const [only, ...others] = options.service.models();
  if (others.length > 0) {
    throw invalid(
      `this service has ${others.length + 1} models: send the event to /v2/models/NAME/infer ` +
        "or /v1/models/NAME:predict",
    );
  }
  // Before the first model is loaded there is no name: whatever is asked for is not ready.
  const model = await options.service.modelNamed(only?.name ?? "");
  const target = { model, version: model.default, protocol: "event" } as const;
  await serveInference({ request, response }, target, options);
}
