/** POST …/infer and …:predict: body → request → queue → answer. The hot path, without a router. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { FailureReason } from "../ops/metrics.ts";
import type { Work } from "../batch/batcher.ts";
import { headerLengthHeader, parseHeaderLength } from "../protocol/binary.ts";
import { binaryOf, decodeInfer, encodeInfer } from "../protocol/infer.ts";
import { schedulingOf } from "../protocol/parameters.ts";
import { decodePredict, encodePredict } from "../protocol/predict.ts";
import type { Tensor } from "../protocol/tensor.ts";
import type { ServedModel, ServedVersion } from "../served-model.ts";
import { asServingError, sendBinary, sendError, sendJson } from "./answer.ts";
import { readBody } from "./body.ts";
import type { Body } from "./body.ts";

export type InferenceOptions = {
  readonly bodyBytesMax: number;
  /** Told of faults that are ours, for the log. */
  readonly onFault: (error: ServingError) => void;
};

export type Protocol = "v1" | "v2";

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
};

type Target = {
  readonly model: ServedModel;
  readonly version: ServedVersion;
  readonly protocol: Protocol;
};

/** What a protocol makes of a body: what to run, and how to write what comes out. */
type Decoded = {
  readonly work: Work;
  send(response: ServerResponse, outputs: readonly Tensor[]): void;
};

const failureReasons: Partial<Record<ServingError["code"], FailureReason>> = {
  overloaded: "REJECTED",
  "not-ready": "REJECTED",
  gone: "CANCELED",
  failed: "BACKEND",
  deadline: "BACKEND",
};

/** Why a request failed, as the metrics count it. */
export function failureReasonOf(fault: ServingError): FailureReason {
  return failureReasons[fault.code] ?? "OTHER";
}

/** Serves one inference, whatever becomes of it. Never rejects. */
export async function serveInference(
  exchange: Exchange,
  target: Target,
  options: InferenceOptions,
): Promise<void> {
  const { request, response } = exchange;
  const { metrics } = target.version;
  let started: number | undefined;
  try {
    const body = await readBody(request, options.bodyBytesMax);
    started = performance.now();
    const decoded = decode(request, body, target);
    const decodedAt = performance.now();
    const outputs = await predict(response, target.version, decoded.work);
    const predictedAt = performance.now();
    decoded.send(response, outputs);
    metrics.succeeded({
      decodeMs: decodedAt - started,
      predictMs: predictedAt - decodedAt,
      encodeMs: performance.now() - predictedAt,
    });
  } catch (error) {
    const fault = asServingError(error);
    metrics.failed(failureReasonOf(fault), performance.now() - (started ?? performance.now()));
    if (fault.code === "failed" || fault.code === "deadline") options.onFault(fault);
    sendError(response, fault);
  }
}

function decode(request: IncomingMessage, body: Body, target: Target): Decoded {
  const { model, version, protocol } = target;
  if (protocol === "v1") {
    const { inputs, outputs, rows } = decodePredict(body, version.signature);
    return {
      work: { inputs, outputs },
      send: (response, tensors) => sendJson(response, 200, encodePredict(tensors, rows)),
    };
  }
  const headerLength = parseHeaderLength(request.headers[headerLengthHeader], body.byteLength);
  const decoded = decodeInfer(body, version.signature, headerLength);
  const { id, inputs, outputs, binary, parameters } = decoded;
  const named = { modelName: model.name, modelVersion: version.version };
  const head = id === undefined ? named : { ...named, id };
  return {
    work: { inputs, outputs, ...schedulingOf(parameters) },
    send: (response, tensors) => {
      const answer = { ...head, outputs: tensors };
      if (binary === undefined) sendJson(response, 200, encodeInfer(answer));
      else sendBinary(response, encodeInfer(answer, binary), binaryOf(answer, binary));
    },
  };
}

async function predict(
  response: ServerResponse,
  version: ServedVersion,
  work: Work,
): Promise<readonly Tensor[]> {
  const ticket = version.submit(work);
  // "close" without an answer is a client that hung up: its request leaves the queue.
  const leave = (): void => ticket.cancel();
  response.once("close", leave);
  if (response.destroyed) ticket.cancel();
  try {
    return (await ticket.result).outputs;
  } finally {
    response.off("close", leave);
  }
}
