/**
 * Requests of tasks in the v1 protocol (`instances` in, `predictions` out) and as Hugging Face writes
 * them (`inputs` in, what Python's pipeline returns out); both may have `parameters`.
 */
import { invalid } from "../errors.ts";
import { isObject, parseJson, quote } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import { unpackElements } from "./elements.ts";
import type { TaskShape } from "./signatures.ts";
import type { TaskRequest } from "./task.ts";
import type { Tensor } from "../protocol/tensor.ts";

/** A question costs at least a run. */
const requestsMax = 10_000;

export type TaskBody = {
  readonly requests: readonly TaskRequest[];
  readonly parameters: JsonObject;
  /** How the request was written: v1's instances, or Hugging Face's list or single one. */
  readonly form: "instances" | "list" | "single";
};

/**
 * A body as requests; nothing when its instances are the graph's own tensors (`rawNames`). Throws
 * ServingError `invalid` with the reason.
 */
export function decodeTaskBody(
  body: Uint8Array,
  shape: TaskShape,
  rawNames: ReadonlySet<string>,
): TaskBody | undefined {
  const json = parseJson(body);
  if (!isObject(json)) throw invalid("the body is not a JSON object");
  const { instances, inputs, parameters } = {
    instances: json["instances"] ?? undefined,
    inputs: json["inputs"] ?? undefined,
    parameters: json["parameters"] ?? {},
  };
  if (!isObject(parameters)) throw invalid("parameters is not an object");
  if (instances !== undefined && inputs !== undefined) {
    throw invalid("the body has both instances and inputs");
  }
  const given = instances ?? inputs;
  const many = Array.isArray(given) ? (given as unknown[]) : [given];
  if (isRaw(many[0], shape, rawNames)) return undefined;
  if (instances !== undefined && !Array.isArray(instances)) {
    throw invalid('Expected "instances" to be a list');
  }
  if (given === undefined) throw invalid("the body has neither instances nor inputs");
  if (many.length === 0 || many.length > requestsMax) {
    throw invalid(`the body holds ${many.length} requests, not 1 to ${requestsMax}`);
  }
  const requests = many.map((value) => requestOf(value, shape));
  const one = Array.isArray(given) ? "list" : "single";
  return { requests, parameters, form: instances === undefined ? one : "instances" };
}

/** The answers, each as JSON, as the body of the answer. */
export function encodeTaskBody(
  form: TaskBody["form"],
  { wraps: { single, each } }: TaskShape,
  answers: readonly string[],
): string {
  if (form === "instances") return `{"predictions":[${answers.join()}]}`;
  if (form === "single") return wrapOnce(answers[0] ?? "null", single);
  return `[${answers.map((answer) => (each ? `[${answer}]` : answer)).join()}]`;
}

/** Python's pipelines give a list for one text as well, unless the answer is one already. */
function wrapOnce(answer: string, single: boolean): string {
  return single && !answer.startsWith("[") ? `[${answer}]` : answer;
}

function isRaw(value: unknown, { fields }: TaskShape, rawNames: ReadonlySet<string>): boolean {
  if (!isObject(value)) return false;
  const names = Object.keys(value);
  return names.some((name) => rawNames.has(name)) && !names.some((name) => fields.includes(name));
}

function requestOf(value: unknown, { fields, optional, only }: TaskShape): TaskRequest {
  if (only !== undefined && (typeof value === "string" || isBinary(value))) {
    return { [only]: textOf(value, only) };
  }
  if (!isObject(value))
    throw invalid(`a request is ${quote(value)}, not an object with ${quote(fields)}`);
  const known = [...fields, ...optional];
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw invalid(`a request has ${quote(unknown)}; the task takes ${quote(known)}`);
  }
  const missing = fields.find((name) => value[name] === undefined);
  if (missing !== undefined) throw invalid(`a request has no ${quote(missing)}`);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, textOf(each, name)]),
  );
}

function isBinary(value: unknown): value is { b64: string } {
  return isObject(value) && typeof value["b64"] === "string" && Object.keys(value).length === 1;
}

/** Text as it is; `{"b64": …}` stays base64 for pictures, and becomes text elsewhere. */
function textOf(value: unknown, name: string): string {
  if (typeof value === "string") {
    if (value.isWellFormed()) return value;
    throw invalid(`${quote(name)} holds half of a surrogate pair, and is no text`);
  }
  if (!isBinary(value)) throw invalid(`${quote(name)} is ${quote(value)}, not a text`);
  if (name === "image") return value.b64;
  try {
    const bytes = Uint8Array.from(atob(value.b64), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(`${quote(name)}: b64 is no base64 of UTF-8 text`);
  }
}

/** Tensors of the v2 protocol as requests: an element of each field makes one. */
export function requestsOf(inputs: readonly Tensor[]): TaskRequest[] {
  const columns = inputs.map((tensor) => ({
    name: tensor.name,
    elements: unpackElements(tensor.data),
  }));
  const count = columns[0]?.elements.length ?? 0;
  if (columns.some(({ elements }) => elements.length !== count)) {
    throw invalid(`${quote(columns.map(({ name }) => name))} have different numbers of elements`);
  }
  if (count === 0 || count > requestsMax) {
    throw invalid(`the request holds ${count} texts, not 1 to ${requestsMax}`);
  }
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(
      columns.map(({ name, elements }) => {
        const bytes = elements[row] ?? new Uint8Array();
        return [name, name === "image" ? bytes : new TextDecoder().decode(bytes)];
      }),
    ),
  );
}
