/**
 * The generate extension: text in, text out, whole or piece by piece as server-sent events.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_generate.md
 */
import { invalid } from "../errors.ts";
import { isObject, parseJson, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { checkFlat } from "./parameters.ts";

export type GenerateParameters = Readonly<Record<string, string | number | boolean>>;

export type GenerateRequest = {
  /** Echoed in the answer; absent when the client gave none. */
  readonly id?: string;
  readonly text: string;
  /** Whether the client asks for pieces: its path should say so, too. */
  readonly stream: boolean;
  /** Which names are known, and their ranges, is the generator's to say. */
  readonly parameters: GenerateParameters;
};

/**
 * What a task that makes text implements. It yields the new text only, in pieces that can be joined
 * as they come; returns at the end of the text; throws ServingError, `invalid` for parameters that
 * it doesn't take before it yields anything. It stops soon after the signal: the client has left,
 * or the time is up.
 */
export type TextGenerator = (
  request: Pick<GenerateRequest, "text" | "parameters">,
  signal: AbortSignal,
) => AsyncGenerator<string, void>;

/** A body as request. Throws ServingError `invalid` with the reason. */
export function decodeGenerate(body: Uint8Array): GenerateRequest {
  const json = parseJson(body);
  if (!isObject(json)) throw invalid("the body is not a JSON object");
  const { id, text_input: text, parameters, stream, ...others } = json;
  if (id != null && typeof id !== "string") throw invalid("id is not a string");
  if (typeof text !== "string") throw invalid("text_input is not a string");
  if (parameters != null && !isObject(parameters)) throw invalid("parameters is not an object");
  if (stream != null && typeof stream !== "boolean") {
    throw invalid(`stream is ${quote(stream)}, neither true nor false`);
  }
  // Clients of Triton's language models write their parameters beside the text as well.
  const given = scalars({ ...others, ...parameters });
  const request = { text, parameters: given, stream: stream === true };
  return id == null ? request : { ...request, id };
}

function scalars(values: JsonObject): GenerateParameters {
  checkFlat(values);
  const known: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === null) continue;
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      throw invalid(`parameter ${quote(name)} is no string, number or truth value`);
    }
    Object.defineProperty(known, name, { value, enumerable: true });
  }
  return known;
}

export type Generated = {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id?: string | undefined;
  /** The whole text, or one piece of it. */
  readonly text: string;
};

/** The answer, or one event's data. */
export function encodeGenerated({ modelName, modelVersion, id, text }: Generated): string {
  const named = { model_name: modelName, model_version: modelVersion };
  return JSON.stringify({ ...(id === undefined ? {} : { id }), ...named, text_output: text });
}

/** A server-sent event. JSON has no line breaks, so that one line of data is all of it. */
export function encodeEvent(json: string): string {
  return `data: ${json}\n\n`;
}
