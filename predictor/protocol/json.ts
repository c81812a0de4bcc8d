/**
 * JSON text of clients: strict UTF-8, one document, integers kept exact.
 */
import { invalid } from "../errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A body as JSON value. Of duplicate keys the last wins, as everywhere in JavaScript.
 * Throws ServingError `invalid` for bytes that are no UTF-8 or no single JSON document.
 */
export function parseJson(body: Uint8Array): unknown {
  return parseWith(body, (text) => JSON.parse(text));
}

/**
 * The same, but integers beyond 2^53 come as bigint. Ten times slower, so that it is only asked for
 * when a 64-bit tensor turned out to hold such a number.
 */
export function parseJsonExactly(body: Uint8Array): unknown {
  return parseWith(body, (text) => JSON.parse(text, exactInteger));
}

/** The reviver's third argument is of ES2025 and not in the types yet. */
function exactInteger(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return source.length < 32 && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function parseWith(body: Uint8Array, parse: (text: string) => unknown): unknown {
  let text;
  try {
    text = utf8.decode(body);
  } catch {
    throw invalid("the body is not valid UTF-8");
  }
  try {
    return parse(text);
  } catch (error) {
    // V8 quotes the text around the fault: the client's own, but it may be long or binary.
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const where = position === undefined ? "" : ` at position ${position}`;
    throw invalid(body.byteLength === 0 ? "the body is empty" : `the body is not JSON${where}`);
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
