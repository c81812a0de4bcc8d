/** How the answer to an inference is written: plain, or as the event that answers an event. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { How } from "../bodies/bodies.ts";
import { invalid } from "../errors.ts";
import type { AnswerBody } from "../observe/watch.ts";
import {
  encodeStructured,
  eventHeaders,
  isEvent,
  structuredContentType,
} from "../protocol/cloudevents.ts";
import type { CloudEvent, EventAttributes } from "../protocol/cloudevents.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { sendBinary, sendJson } from "./answer.ts";
import type { Body } from "./body-buffer.ts";

/** Instead of KServe's words, for events that answer. */
export type EventOptions = { readonly source?: string; readonly type?: string };

/** Writes an answer, `parts` being the tensors' bytes behind the JSON; returns its body. */
export type Write = (json: string | Bytes, parts?: readonly Bytes[]) => AnswerBody;

/** A request's own body, and how to answer it. */
export type Incoming = { readonly body: Bytes; readonly write: Write; readonly isEvent: boolean };

type About = How & { readonly model: string; readonly events: EventOptions | undefined };

/** Takes an event apart, later where that takes long. Throws, or rejects with, ServingError `invalid` for one that is none. */
export function openRequest(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  body: Body,
  about: About,
): Incoming | Promise<Incoming> {
  if (!isEvent(request.headers)) {
    return { body, write: (json, parts) => send(response, json, parts), isEvent: false };
  }
  const { bodies, gone } = about;
  const event = bodies.do("event", { body, headers: request.headers }, gone);
  if (event instanceof Promise) return event.then((made) => incomingEvent(response, made, about));
  return incomingEvent(response, event, about);
}

function incomingEvent(
  response: ServerResponse,
  { mode, id, data }: CloudEvent,
  about: About,
): Incoming {
  const write: Write = (json, parts) => {
    const attributes = attributesOf(id, about);
    if (mode === "binary") {
      for (const [name, value] of eventHeaders(attributes)) response.setHeader(name, value);
      return send(response, json, parts);
    }
    if (parts !== undefined) {
      throw invalid("an event in JSON can't carry tensors as bytes: ask for them as JSON");
    }
    const event = structured(attributes, json);
    sendJson(response, 200, event, structuredContentType);
    return [event];
  };
  return { body: data, write, isEvent: true };
}

function structured(attributes: EventAttributes, json: string | Bytes): string | Bytes {
  if (typeof json === "string") return encodeStructured(attributes, json);
  const [head = "", end = ""] = encodeStructured(attributes, "\n").split("\n");
  return Buffer.concat([Buffer.from(head), json, Buffer.from(end)]);
}

function attributesOf(requestid: string, { model, events }: About): EventAttributes {
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
  json: string | Bytes,
  parts: readonly Bytes[] | undefined,
): AnswerBody {
  if (parts === undefined) {
    sendJson(response, 200, json);
    return [json];
  }
  sendBinary(response, json, parts);
  return [json, ...parts];
}
