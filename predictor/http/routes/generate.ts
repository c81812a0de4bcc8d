/** POST …/generate and …/generate_stream: text from a model whose task makes text. */
import type { Request, Response } from "express";
import { inlineBodies } from "../../bodies/bodies.ts";
import { invalid, ServingError } from "../../errors.ts";
import { subjectOf } from "../../observe/watch.ts";
import { encodeEvent, encodeGenerated } from "../../protocol/generate.ts";
import type { ServedVersion } from "../../served-model.ts";
import { asServingError, sendError, sendJson } from "../answer.ts";
import { failureReasonOf } from "../inference.ts";
import { readBody } from "../body.ts";
import { modelNameOf, modelPaths, versionOf } from "./route.ts";
import type { AppOptions, Serve } from "./route.ts";

type Send = (generation: Generation) => Promise<void>;

type Generation = {
  readonly response: Response;
  /** The pieces; what the task throws before the first one comes as a rejection of `next`. */
  readonly pieces: AsyncGenerator<string, void>;
  readonly encode: (text: string) => string;
};

/** Adds …/generate (the whole text) and …/generate_stream (server-sent events). */
export function addGenerateRoutes(serve: Serve, options: AppOptions): void {
  for (const [end, send] of [
    ["/generate", sendWhole],
    ["/generate_stream", sendEvents],
  ] as const) {
    for (const path of modelPaths(end)) {
      serve(path, {
        post: async (request, response) => generate(request, response, options, send),
      });
    }
  }
}

async function generate(
  request: Request,
  response: Response,
  options: AppOptions,
  send: Send,
): Promise<void> {
  const model = await options.service.modelNamed(modelNameOf(request));
  const version = await model.version(versionOf(request));
  const watch = options.watch?.(subjectOf(request, model.name, version.version));
  const left = new AbortController();
  response.once("close", () => left.abort(new ServingError("gone", "the client left")));
  try {
    const body = await readBody(request, options.bodyBytesMax);
    watch?.received?.(body);
    const started = performance.now();
    version.asked();
    const generator = generatorOf(version, model.name);
    const bodies = options.bodies ?? inlineBodies;
    const asked = await bodies.do("generate", { body }, () => response.destroyed);
    if (asked.stream && send === sendWhole) {
      throw invalid("stream is true: send the request to …/generate_stream");
    }
    const head = { modelName: model.name, modelVersion: version.version, id: asked.id };
    const pieces = generator(asked, left.signal);
    await send({ response, pieces, encode: (text) => encodeGenerated({ ...head, text }) });
    const predictMs = performance.now() - started;
    version.metrics.succeeded({ decodeMs: 0, predictMs, encodeMs: 0 });
    watch?.answered({ status: 200 });
  } catch (error) {
    const fault = asServingError(error);
    version.metrics.failed(failureReasonOf(fault));
    if (fault.code === "failed") options.onFault(fault, request);
    const { headersSent } = response;
    if (headersSent) response.end(encodeEvent(JSON.stringify({ error: fault.message })));
    const status = headersSent ? 200 : sendError(response, fault);
    watch?.answered({ status, fault });
  }
}

function generatorOf(
  version: ServedVersion,
  name: string,
): NonNullable<ServedVersion["generator"]> {
  if (version.generator !== undefined) return version.generator;
  throw invalid(
    `the model ${JSON.stringify(name)} has no task that makes text: send tensors to …/infer`,
  );
}

const sendWhole: Send = async ({ response, pieces, encode }) => {
  let text = "";
  for await (const piece of pieces) text += piece;
  sendJson(response, 200, encode(text));
};

/** The head is sent with the first piece: a fault before it still has a status of its own. */
const sendEvents: Send = async ({ response, pieces, encode }) => {
  for await (const piece of pieces) {
    if (response.destroyed) return;
    if (!response.headersSent) begin(response);
    if (!response.write(encodeEvent(encode(piece)))) await drained(response);
  }
  if (!response.headersSent) begin(response);
  response.end();
};

function begin(response: Response): void {
  const head = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  // Some proxies would keep the events back until a buffer is full.
  response.writeHead(200, { ...head, "x-accel-buffering": "no" });
}

/** A slow client slows its generator; one that left ends it. */
async function drained(response: Response): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve);
  response.once("close", resolve);
  await promise;
}
