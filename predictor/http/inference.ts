/** POST …/infer and …:predict: body → request → queue → answer. The hot path, without a router. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WorkResult } from "../batch/batcher.ts";
import { invalid, ServingError } from "../errors.ts";
import { giveBack } from "../give-back.ts";
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
import { asServingError, sendBytes, sendError } from "./answer.ts";
import { readBody } from "./body.ts";
import { handle } from "./handled.ts";
import type { Encoded, Given, Handled } from "./handled.ts";
import { openRequest } from "./writer.ts";
import type { EventOptions, Incoming } from "./writer.ts";

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

/** What a protocol makes of a body: what to run, and then how to write what comes out. */
type Asking = {
  start(ran: (result: WorkResult) => void): {
    readonly answered: Promise<() => Encoded>;
    readonly cancel: () => void;
  };
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
  let handled: Handled | undefined;
  try {
    const whole = await readBody(request, options.bodyBytesMax);
    watch?.received?.(whole);
    started = performance.now();
    const about = { model: model.name, events: options.events };
    const incoming = openRequest(exchange, whole, about);
    handled = version.hooks && handle(version.hooks, exchange, target.protocol, incoming.body);
    const given = (await handled?.preprocess()) ?? givenBy(request, incoming.body);
    const decoding = performance.now();
    const protocol = target.protocol === "event" ? spoken(incoming, given) : target.protocol;
    const asksTask = protocol === "v1" && version.task !== undefined;
    const asked =
      (asksTask ? askTask(version, given) : undefined) ?? decode(given, { ...target, protocol });
    const decodedAt = performance.now();
    const encode = await run(response, asked, (result) => watch?.ran?.(result));
    const predictedAt = performance.now();
    const encoded = encode();
    const encodedAt = performance.now();
    const answer = send(exchange, incoming, (await handled?.postprocess(encoded)) ?? encoded);
    metrics.succeeded({
      decodeMs: decodedAt - decoding,
      predictMs: predictedAt - decodedAt,
      encodeMs: encodedAt - predictedAt,
    });
    watch?.answered({ status: 200, body: answer });
    handled?.after(200, answer);
    // The executor has read it, and its answer is a copy. Who looks on may look for longer.
    if (watch === undefined && handled === undefined) giveBack(whole);
  } catch (error) {
    const fault = asServingError(error);
    metrics.failed(failureReasonOf(fault), performance.now() - (started ?? performance.now()));
    if (fault.code === "failed" || fault.code === "deadline") options.onFault(fault, request);
    const status = sendError(response, fault);
    watch?.answered({ status, fault });
    handled?.after(status, [JSON.stringify({ error: fault.message })]);
  }
}

function givenBy({ headers }: IncomingMessage, body: Bytes): Given {
  return { body, headerLength: parseHeaderLength(headers[headerLengthHeader], body.byteLength) };
}

/** What an event's data speak. Bytes behind the JSON are of v2 only. */
function spoken({ isEvent }: Incoming, { body, headerLength }: Given): "v1" | "v2" {
  if (isEvent) return headerLength === undefined ? protocolOf(body) : "v2";
  throw invalid(
    "POST / takes CloudEvents: send ce- headers or application/cloudevents+json, or send the " +
      "request to /v2/models/NAME/infer or /v1/models/NAME:predict",
  );
}

/** A body that asks the model's task for texts; nothing when it means the graph's tensors. */
function askTask(version: ServedVersion, { body }: Given): Asking | undefined {
  const answering = version.task?.answer(body);
  if (answering === undefined) return undefined;
  const answered = answering.body.then((json) => () => ({ json }));
  return { start: () => ({ answered, cancel: answering.cancel }) };
}

function decode({ body, headerLength }: Given, { model, version, protocol }: Target): Asking {
  if (protocol === "v1") {
    const { inputs, outputs, rows } = decodePredict(body, version.loaded.signature);
    return asking(version, { inputs, outputs }, (tensors) => ({
      json: encodePredict(tensors, rows),
    }));
  }
  const choice = version.task === undefined ? version.signature : chooser(version);
  const decoded = decodeInfer(body, choice, headerLength);
  const { id, inputs, outputs, binary, parameters } = decoded;
  const named = { modelName: model.name, modelVersion: version.version };
  const head = id === undefined ? named : { ...named, id };
  const work = { inputs, outputs, parameters, ...schedulingOf(parameters) };
  return asking(version, work, (tensors) => {
    const answer = { ...head, outputs: tensors };
    const json = encodeInfer(answer, binary);
    return binary === undefined ? { json } : { json, parts: binaryOf(answer, binary) };
  });
}

/** Tensors, and how to write what comes out. */
function asking(
  version: ServedVersion,
  work: Asked,
  encode: (outputs: readonly Tensor[]) => Encoded,
): Asking {
  return {
    start: (ran) => {
      const ticket = version.submit(work);
      const answered = ticket.result.then((result) => {
        ran(result);
        return () => encode(result.outputs);
      });
      return { answered, cancel: () => ticket.cancel() };
    },
  };
}

/** "close" without an answer is a client that hung up: its request leaves the queue. */
async function run(
  response: ServerResponse,
  asked: Asking,
  ran: (result: WorkResult) => void,
): Promise<() => Encoded> {
  const { answered, cancel } = asked.start(ran);
  response.once("close", cancel);
  if (response.destroyed) cancel();
  try {
    return await answered;
  } finally {
    response.off("close", cancel);
  }
}

/** Writes the answer; returns its body. */
function send({ response }: Exchange, { write }: Incoming, encoded: Encoded): AnswerBody {
  if ("json" in encoded) return write(encoded.json, encoded.parts);
  sendBytes(response, encoded.contentType, encoded.bytes);
  return [encoded.bytes];
}

const chooser =
  (version: ServedVersion): SignatureChoice =>
  (names) =>
    version.signatureFor(names);
