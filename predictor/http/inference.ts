/** POST …/infer and …:predict: body → request → queue → answer. The hot path, without a router. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { WorkResult } from "../batch/batcher.ts";
import { inlineBodies } from "../bodies/bodies.ts";
import type { Bodies, How } from "../bodies/bodies.ts";
import type { Made } from "../bodies/work.ts";
import { invalid, ServingError } from "../errors.ts";
import { giveBack } from "../give-back.ts";
import { subjectOf } from "../observe/watch.ts";
import type { AnswerBody, Watcher } from "../observe/watch.ts";
import type { FailureReason } from "../ops/metrics.ts";
import { headerLengthHeader, parseHeaderLength } from "../protocol/binary.ts";
import { binaryOf } from "../protocol/infer.ts";
import { schedulingOf } from "../protocol/parameters.ts";
import type { Bytes, Tensor } from "../protocol/tensor.ts";
import type { Asked, ServedModel, ServedVersion } from "../served-model.ts";
import { asServingError, sendBytes, sendError } from "./answer.ts";
import { readBody } from "./body.ts";
import { handle } from "./handled.ts";
import type { Encoded, Given, Handled } from "./handled.ts";
import { openRequest } from "./writer.ts";
import type { EventOptions, Incoming } from "./writer.ts";

/** Of a request its headers say the id. */
export type OnFault = (
  error: ServingError,
  request?: { readonly headers: IncomingHttpHeaders },
) => void;

export type InferenceOptions = {
  readonly bodyBytesMax: number;
  /** Told of faults that are ours, for the log. */
  readonly onFault: OnFault;
  readonly events?: EventOptions | undefined;
  /** Who decodes and encodes; without it, this very turn of the loop. */
  readonly bodies?: Bodies | undefined;
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
    readonly answered: Promise<() => Encoded | Promise<Encoded>>;
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
    version.asked();
    const how = { bodies: options.bodies ?? inlineBodies, gone: () => response.destroyed };
    const about = { model: model.name, events: options.events, ...how };
    const opened = openRequest(exchange, whole, about);
    const incoming = opened instanceof Promise ? await opened : opened;
    handled = version.hooks && handle(version.hooks, exchange, target.protocol, incoming.body);
    const given = (await handled?.preprocess()) ?? givenBy(request, incoming.body);
    const decoding = performance.now();
    const protocol =
      target.protocol === "event" ? await spoken(incoming, given, how) : target.protocol;
    const asksTask = protocol === "v1" && version.task !== undefined;
    const decoded =
      (asksTask ? await askTask(version, given, how) : undefined) ??
      decode(given, { ...target, protocol }, how);
    const asked = decoded instanceof Promise ? await decoded : decoded;
    const decodedAt = performance.now();
    const encode = await run(response, asked, (result) => watch?.ran?.(result));
    const predictedAt = performance.now();
    const encoding = encode();
    const encoded = encoding instanceof Promise ? await encoding : encoding;
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
async function spoken(
  { isEvent }: Incoming,
  { body, headerLength }: Given,
  { bodies, gone }: How,
): Promise<"v1" | "v2"> {
  if (isEvent) return headerLength === undefined ? bodies.do("protocol", { body }, gone) : "v2";
  throw invalid(
    "POST / takes CloudEvents: send ce- headers or application/cloudevents+json, or send the " +
      "request to /v2/models/NAME/infer or /v1/models/NAME:predict",
  );
}

/** A body that asks the model's task for texts; nothing when it means the graph's tensors. */
async function askTask(
  { task }: ServedVersion,
  { body }: Given,
  { bodies, gone }: How,
): Promise<Asking | undefined> {
  if (task === undefined) return undefined;
  const { name, rawNames } = task;
  const decoded = await bodies.do("task", { body, task: name, rawNames }, gone);
  if (decoded === undefined) return undefined;
  return {
    start: () => {
      const answering = task.answer(decoded);
      const answered = answering.body.then((json) => () => ({ json }));
      return { answered, cancel: answering.cancel };
    },
  };
}

function decode(given: Given, target: Target, how: How): Asking | Promise<Asking> {
  const { bodies, gone } = how;
  const { version, protocol } = target;
  const { body, headerLength } = given;
  if (protocol === "v1") {
    const decoded = bodies.do("predict", { body, signature: version.loaded.signature }, gone);
    if (decoded instanceof Promise) return decoded.then((made) => predicting(made, version, how));
    return predicting(decoded, version, how);
  }
  const { signatures } = version;
  const decoded = bodies.do("infer", { body, headerLength, signatures }, gone);
  if (decoded instanceof Promise) return decoded.then((made) => inferring(made, target, how));
  return inferring(decoded, target, how);
}

function predicting(
  { inputs, outputs, rows }: Made["predict"],
  version: ServedVersion,
  { bodies, gone }: How,
): Asking {
  return asking(version, { inputs, outputs }, (tensors) => {
    const json = bodies.do("predict-answer", { outputs: tensors, rows }, gone);
    return json instanceof Promise ? json.then((text) => ({ json: text })) : { json };
  });
}

function inferring(
  { id, inputs, outputs, binary, parameters }: Made["infer"],
  { model, version }: Target,
  { bodies, gone }: How,
): Asking {
  const named = { modelName: model.name, modelVersion: version.version };
  const head = id === undefined ? named : { ...named, id };
  const work = { inputs, outputs, parameters, ...schedulingOf(parameters) };
  return asking(version, work, (tensors) => {
    const answer = { ...head, outputs: tensors };
    const json = bodies.do("infer-answer", { answer, binary }, gone);
    const encoded = (text: string | Bytes): Encoded =>
      binary === undefined ? { json: text } : { json: text, parts: binaryOf(answer, binary) };
    return json instanceof Promise ? json.then(encoded) : encoded(json);
  });
}

/** Tensors, and how to write what comes out. */
function asking(
  version: ServedVersion,
  work: Asked,
  encode: (outputs: readonly Tensor[]) => Encoded | Promise<Encoded>,
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
): Promise<() => Encoded | Promise<Encoded>> {
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
