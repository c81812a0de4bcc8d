/**
 * JSON text of clients: strict UTF-8, one document, integers kept exact.
 */
import { invalid } from "../errors.ts";
import { readExactly } from "./json-text.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A body as JSON value. Of duplicate keys the last wins, as everywhere in JavaScript.
 * Throws ServingError `invalid` for bytes that are no UTF-8 or no single JSON document.
 */
export function parseJson(body: Uint8Array): unknown {
  return parseText(textOf(body));
}

/** A number that JSON.parse may have rounded, in a place where every digit counts. */
export class InexactInteger extends Error {
  override readonly name = "InexactInteger";
  /** What to tell the client if the number as it was written doesn't fit either. */
  readonly refusal: Error;

  constructor(refusal: Error) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/**
 * What `decode` makes of a body's JSON. When it meets an InexactInteger it is asked again, with whole
 * numbers beyond 2^53 as bigint; reading those costs more, which nobody else should pay.
 */
export function decodeJson<T>(body: Uint8Array, decode: (json: unknown) => T): T {
  const text = textOf(body);
  try {
    return decode(parseText(text));
  } catch (error) {
    if (!(error instanceof InexactInteger)) throw error;
  }
  try {
    return decode(readExactly(text));
  } catch (error) {
    throw error instanceof InexactInteger ? error.refusal : error;
  }
}

function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw invalid("the body is not valid UTF-8");
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the fault: the client's own, but it may be long or binary.
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const where = position === undefined ? "" : ` at position ${position}`;
    throw invalid(text === "" ? "the body is empty" : `the body is not JSON${where}`);
  }
}

/** Whether a JSON value is an object (not null, no array). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A client's value in an error sentence: short, and on one line. Of what is large or deep only the
 * beginning is read.
 */
export function quote(value: unknown): string {
  const text = write(value, 0);
  return text.length > 64 ? `${text.slice(0, 61)}…` : text;
}

const depthShown = 3;
const membersShown = 16;

function write(value: unknown, depth: number): string {
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value.slice(0, 64));
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (depth === depthShown) return "…";
  if (Array.isArray(value)) {
    const shown = value.slice(0, membersShown).map((each) => write(each, depth + 1));
    return `[${shown.join(",")}]`;
  }
  const shown: string[] = [];
  for (const name in value) {
    if (shown.length === membersShown) break;
    const member = (value as JsonObject)[name];
    shown.push(`${write(name, depth)}:${write(member, depth + 1)}`);
  }
  return `{${shown.join(",")}}`;
}
