/** POST …/infer and …:predict: body → request → queue → answer. The hot path, without a router. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { FailureReason } from "../ops/metrics.ts";
import { decodeInfer, encodeInfer } from "../protocol/infer.ts";
import { decodePredict, encodePredict } from "../protocol/predict.ts";
import type { Tensor } from "../protocol/tensor.ts";
import type { ServedModel, ServedVersion } from "../served-model.ts";
import { asServingError, sendError, sendJson } from "./answer.ts";
import { readBody } from "./body.ts";

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

/** What a protocol makes of a body: tensors to run, and how to write what comes out. */
type Decoded = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  encode(outputs: readonly Tensor[]): string;
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
  target: { model: ServedModel; version: ServedVersion; protocol: Protocol },
  options: InferenceOptions,
): Promise<void> {
  const { request, response } = exchange;
  const { metrics } = target.version;
  try {
    const body = await readBody(request, options.bodyBytesMax);
    const started = performance.now();
    const decoded = decode(body, target);
    const decodedAt = performance.now();
    const outputs = await predict(response, target.version, decoded);
    const predictedAt = performance.now();
    sendJson(response, 200, decoded.encode(outputs));
    metrics.succeeded({
      decodeMs: decodedAt - started,
      predictMs: predictedAt - decodedAt,
      encodeMs: performance.now() - predictedAt,
    });
  } catch (error) {
    const fault = asServingError(error);
    metrics.failed(failureReasonOf(fault));
    if (fault.code === "failed" || fault.code === "deadline") options.onFault(fault);
    sendError(response, fault);
  }
}

function decode(
  body: Buffer,
  { model, version, protocol }: { model: ServedModel; version: ServedVersion; protocol: Protocol },
): Decoded {
  if (protocol === "v1") {
    const { inputs, outputs, rows } = decodePredict(body, version.signature);
    return { inputs, outputs, encode: (tensors) => encodePredict(tensors, rows) };
  }
  const { id, inputs, outputs } = decodeInfer(body, version.signature);
  const head = { modelName: model.name, modelVersion: version.version };
  const identified = id === undefined ? head : { ...head, id };
  return { inputs, outputs, encode: (tensors) => encodeInfer({ ...identified, outputs: tensors }) };
}

async function predict(
  response: ServerResponse,
  version: ServedVersion,
  decoded: Decoded,
): Promise<readonly Tensor[]> {
  const ticket = version.submit({ inputs: decoded.inputs, outputs: decoded.outputs });
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
