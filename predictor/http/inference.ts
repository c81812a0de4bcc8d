/** POST …/infer and …:predict: body → request → queue → answer. The hot path, without a router. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WorkResult } from "../batch/batcher.ts";
import { invalid, ServingError } from "../errors.ts";
import { subjectOf } from "../observe/watch.ts";
import type { AnswerBody, Watcher } from "../observe/watch.ts";
import type { FailureReason } from "../ops/metrics.ts";
import { headerLengthHeader, parseHeaderLength } from "../protocol/binary.ts";
import { protocolOf } from "../protocol/cloudevents.ts";
import { binaryOf, decodeInfer, encodeInfer } from "../protocol/infer.ts";
import type { SignatureChoice } from "../protocol/infer.ts";
import { schedulingOf } from "../protocol/parameters.ts";
import { decodePredict, encodePredict } from "../protocol/predict.ts";
import type { Bytes, Tensor } from "../protocol/tensor.ts";
import type { Asked, ServedModel, ServedVersion } from "../served-model.ts";
import { asServingError, sendError } from "./answer.ts";
import { readBody } from "./body.ts";
import { openRequest } from "./writer.ts";
import type { EventOptions, Incoming, Write } from "./writer.ts";

export type InferenceOptions = {
  readonly bodyBytesMax: number;
  /** Told of faults that are ours, for the log. */
  readonly onFault: (error: ServingError, request?: IncomingMessage) => void;
  readonly events?: EventOptions | undefined;
  /** Looks on; undefined when nothing is configured that does. */
  readonly watch?: Watcher | undefined;
};

/** Of an `event` the data say which of the two they speak. */
export type Protocol = "v1" | "v2" | "event";

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
  readonly work: Asked;
  /** Writes the answer; returns its body. */
  send(write: Write, outputs: readonly Tensor[]): AnswerBody;
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
  const { model, version } = target;
  const { metrics } = version;
  const watch = options.watch?.(subjectOf(request, model.name, version.version));
  let started: number | undefined;
  try {
    const whole = await readBody(request, options.bodyBytesMax);
    watch?.received?.(whole);
    started = performance.now();
    const about = { model: model.name, events: options.events };
    const incoming = openRequest(exchange, whole, about);
    const protocol = target.protocol === "event" ? spoken(incoming, request) : target.protocol;
    const asksTask = protocol === "v1" && version.task !== undefined;
    const texts = asksTask ? await answerTask(exchange, target, incoming) : undefined;
    if (texts !== undefined) {
      watch?.answered({ status: 200, body: [texts] });
      return;
    }
    const decoded = decode(request, incoming.body, { ...target, protocol });
    const decodedAt = performance.now();
    const result = await predict(response, version, decoded.work);
    watch?.ran?.(result);
    const predictedAt = performance.now();
    const answer = decoded.send(incoming.write, result.outputs);
    metrics.succeeded({
      decodeMs: decodedAt - started,
      predictMs: predictedAt - decodedAt,
      encodeMs: performance.now() - predictedAt,
    });
    watch?.answered({ status: 200, body: answer });
  } catch (error) {
    const fault = asServingError(error);
    metrics.failed(failureReasonOf(fault), performance.now() - (started ?? performance.now()));
    if (fault.code === "failed" || fault.code === "deadline") options.onFault(fault, request);
    const status = sendError(response, fault);
    watch?.answered({ status, fault });
  }
}

/** Answers texts or pictures; says what, or nothing when the body means the graph's tensors. */
async function answerTask(
  { response }: Exchange,
  { version }: Target,
  { body, write }: Incoming,
): Promise<string | undefined> {
  const started = performance.now();
  const answering = version.task?.answer(body);
  if (answering === undefined) return undefined;
  const decodeMs = performance.now() - started;
  response.once("close", answering.cancel);
  if (response.destroyed) answering.cancel();
  const json = await answering.body;
  write(json);
  const predictMs = performance.now() - started - decodeMs;
  version.metrics.succeeded({ decodeMs, predictMs, encodeMs: 0 });
  return json;
}

/** What an event's data speak. Bytes behind the JSON are of v2 only. */
function spoken({ isEvent, body }: Incoming, { headers }: IncomingMessage): "v1" | "v2" {
  if (isEvent) return headers[headerLengthHeader] === undefined ? protocolOf(body) : "v2";
  throw invalid(
    "POST / takes CloudEvents: send ce- headers or application/cloudevents+json, or send the " +
      "request to /v2/models/NAME/infer or /v1/models/NAME:predict",
  );
}

function decode(request: IncomingMessage, body: Bytes, target: Target): Decoded {
  const { model, version, protocol } = target;
  if (protocol === "v1") {
    const { inputs, outputs, rows } = decodePredict(body, version.loaded.signature);
    return {
      work: { inputs, outputs },
      send: (write, tensors) => write(encodePredict(tensors, rows)),
    };
  }
  const headerLength = parseHeaderLength(request.headers[headerLengthHeader], body.byteLength);
  const choice = version.task === undefined ? version.signature : chooser(version);
  const decoded = decodeInfer(body, choice, headerLength);
  const { id, inputs, outputs, binary, parameters } = decoded;
  const named = { modelName: model.name, modelVersion: version.version };
  const head = id === undefined ? named : { ...named, id };
  return {
    work: { inputs, outputs, parameters, ...schedulingOf(parameters) },
    send: (write, tensors) => {
      const answer = { ...head, outputs: tensors };
      return binary === undefined
        ? write(encodeInfer(answer))
        : write(encodeInfer(answer, binary), binaryOf(answer, binary));
    },
  };
}

const chooser =
  (version: ServedVersion): SignatureChoice =>
  (names) =>
    version.signatureFor(names);

async function predict(
  response: ServerResponse,
  version: ServedVersion,
  work: Asked,
): Promise<WorkResult> {
  const ticket = version.submit(work);
  // "close" without an answer is a client that hung up: its request leaves the queue.
  const leave = (): void => ticket.cancel();
  response.once("close", leave);
  if (response.destroyed) ticket.cancel();
  try {
    return await ticket.result;
  } finally {
    response.off("close", leave);
  }
}
