/** How the answer to an inference is written: plain, or as the event that answers an event. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { invalid } from "../errors.ts";
import type { AnswerBody } from "../observe/watch.ts";
import {
  decodeEvent,
  encodeStructured,
  eventHeaders,
  isEvent,
  structuredContentType,
} from "../protocol/cloudevents.ts";
import type { EventAttributes } from "../protocol/cloudevents.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { sendBinary, sendJson } from "./answer.ts";
import type { Body } from "./body-buffer.ts";

/** Instead of KServe's words, for events that answer. */
export type EventOptions = { readonly source?: string; readonly type?: string };

/** Writes an answer, `parts` being the tensors' bytes behind the JSON; returns its body. */
export type Write = (json: string, parts?: readonly Bytes[]) => AnswerBody;

/** A request's own body, and how to answer it. */
export type Incoming = { readonly body: Bytes; readonly write: Write; readonly isEvent: boolean };

/** Takes an event apart. Throws ServingError `invalid` for one that is none. */
export function openRequest(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  body: Body,
  about: { readonly model: string; readonly events: EventOptions | undefined },
): Incoming {
  if (!isEvent(request.headers)) {
    return { body, write: (json, parts) => send(response, json, parts), isEvent: false };
  }
  const { mode, id, data } = decodeEvent(request.headers, body);
  const write: Write = (json, parts) => {
    const attributes = attributesOf(id, about);
    if (mode === "binary") {
      for (const [name, value] of eventHeaders(attributes)) response.setHeader(name, value);
      return send(response, json, parts);
    }
    if (parts !== undefined) {
      throw invalid("an event in JSON can't carry tensors as bytes: ask for them as JSON");
    }
    const event = encodeStructured(attributes, json);
    sendJson(response, 200, event, structuredContentType);
    return [event];
  };
  return { body: data, write, isEvent: true };
}

function attributesOf(
  requestid: string,
  { model, events }: { readonly model: string; readonly events: EventOptions | undefined },
): EventAttributes {
  return {
    id: randomUUID(),
    source: events?.source ?? `io.kserve.inference.${model}`,
    type: events?.type ?? "io.kserve.inference.response",
    time: new Date().toISOString(),
    requestid,
  };
}

function send(
  response: ServerResponse,
  json: string,
  parts: readonly Bytes[] | undefined,
): AnswerBody {
  if (parts === undefined) {
    sendJson(response, 200, json);
    return [json];
  }
  sendBinary(response, json, parts);
  return [json, ...parts];
}
