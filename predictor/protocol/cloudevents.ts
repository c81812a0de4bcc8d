/**
 * CloudEvents 1.0 over HTTP, so that a service is a sink: an event in, an event out, in the same of
 * the two modes. https://github.com/cloudevents/spec: cloudevents/bindings/http-protocol-binding.md
 */
import { invalid } from "../errors.ts";
import { isObject, parseJson, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { memberSource } from "./json-text.ts";
import type { Bytes } from "./tensor.ts";

export type CloudEvent = {
  /** Where the attributes are: in headers, or in a JSON object around the data. */
  readonly mode: "binary" | "structured";
  readonly id: string;
  readonly data: Bytes;
};

export type EventAttributes = {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** RFC 3339. */
  readonly time: string;
  /** The id of the event that this one answers. */
  readonly requestid: string;
};

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const structuredType = "application/cloudevents+json";
const required = ["id", "source", "type"] as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Whether a request is an event, told from its headers (in lower case) alone. */
export function isEvent(headers: Headers): boolean {
  return (
    headers["ce-specversion"] !== undefined ||
    (typeof headers["content-type"] === "string" &&
      headers["content-type"].startsWith("application/cloudevents"))
  );
}

/** Whether an event is one JSON object around its data. */
export function isStructured(headers: Headers): boolean {
  return String(headers["content-type"] ?? "").startsWith(structuredType);
}

/** A request that is an event. Throws ServingError `invalid` with what it lacks. */
export function decodeEvent(headers: Headers, body: Bytes): CloudEvent {
  const type = String(headers["content-type"] ?? "")
    .split(";", 1)[0]
    ?.trim();
  if (type === structuredType) return decodeStructured(body);
  if (type?.startsWith("application/cloudevents") === true) {
    throw invalid(`${type} is not served: send one event, as ${structuredType} or in headers`);
  }
  checkAttributes((name) => headers[`ce-${name}`], "the headers have no ce-");
  return { mode: "binary", id: String(headers["ce-id"]), data: body };
}

function decodeStructured(body: Bytes): CloudEvent {
  const event = parseJson(body);
  if (!isObject(event)) throw invalid("the event is not a JSON object");
  checkAttributes((name) => event[name], "the event has no ");
  return { mode: "structured", id: String(event["id"]), data: dataOf(event, body) };
}

function checkAttributes(attribute: (name: string) => unknown, lacks: string): void {
  const version = attribute("specversion");
  if (version !== "1.0") throw invalid(`the event's specversion is ${quote(version)}, not "1.0"`);
  for (const name of required) {
    const value = attribute(name);
    if (typeof value !== "string" || value === "") throw invalid(`${lacks}${name}`);
  }
}

/** As the client wrote them: numbers beyond 2^53 would not survive being parsed and written. */
function dataOf(event: JsonObject, body: Bytes): Bytes {
  const { data_base64: base64 } = event;
  if (base64 === undefined) {
    return encoder.encode(memberSource(decoder.decode(body), "data") ?? "");
  }
  try {
    if (typeof base64 !== "string") throw new TypeError("data_base64 is no string");
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    throw invalid("the event's data_base64 is no base64");
  }
}

/** The protocol that data speaks: v2 has a list of tensors as `inputs`. */
export function protocolOf(data: Bytes): "v1" | "v2" {
  const json = parseJson(data);
  const inputs = isObject(json) ? json["inputs"] : undefined;
  if (!Array.isArray(inputs)) return "v1";
  return inputs.every((input) => isObject(input) && "datatype" in input) ? "v2" : "v1";
}

/** An answer's attributes as headers. */
export function eventHeaders(attributes: EventAttributes): [name: string, value: string][] {
  const all = { specversion: "1.0", ...attributes };
  return Object.entries(all).map(([name, value]) => [`ce-${name}`, headerValue(value)]);
}

/** What a header can't carry is percent-encoded, as the HTTP binding says. */
function headerValue(value: string): string {
  return value.replaceAll(/[^\x21\x23\x24\x26-\x7E]/gu, (character) => {
    const bytes = [...encoder.encode(character)];
    return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}

/** An answer as one JSON object, around the answer's own JSON. */
export function encodeStructured(attributes: EventAttributes, json: string): string {
  const head = { specversion: "1.0", ...attributes, datacontenttype: "application/json" };
  return `${JSON.stringify(head).slice(0, -1)},"data":${json}}`;
}

/** The content type of that object. */
export const structuredContentType = `${structuredType}; charset=utf-8`;
