/** PURE: what a predictor serves, as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.0). */
import { datatypes } from "./datatypes.ts";
import type { Datatype } from "./datatypes.ts";
import type { Signature, TensorSpec } from "./tensor.ts";

export type DescribedModel = { readonly name: string; readonly signature: Signature };

type Json = Readonly<Record<string, unknown>>;

/** The document; models that are not loaded are under the paths with `{model}`. */
export function openApi(version: string, models: readonly DescribedModel[]): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Pilotlight predictor",
      version,
      description:
        'Open Inference Protocol v2 and KServe v1 over HTTP. Every fault is answered as {"error": …}.',
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [{ name: "inference" }, { name: "models" }, { name: "server" }],
    paths: {
      "/v2/health/live": { get: probe("live", "The process answers") },
      "/v2/health/ready": { get: probe("ready", "Requests are served") },
      "/v2": { get: plain("server", "Metadata of the server", "serverMetadata") },
      "/v2/models": { get: plain("models", "Names of the models", "modelsV2") },
      "/v2/models/stats": { get: plain("models", "Statistics of all loaded models", "statistics") },
      ...ofAnyVersion("", "modelMetadata", (id) => ({
        get: plain("models", "Metadata of a model", id),
      })),
      ...ofAnyVersion("/ready", "ready", (id) => ({
        get: plain("models", "Whether a model is served", id),
      })),
      ...ofAnyVersion("/config", "config", (id) => ({
        get: plain("models", "How a model is served, as Triton's clients read it", id),
      })),
      ...ofAnyVersion("/stats", "stats", (id) => ({
        get: plain("models", "Statistics of a model", id),
      })),
      ...ofAnyVersion("/infer", "infer", (id) => ({ post: infer(id) })),
      ...ofAnyVersion("/generate", "generate", (id) => ({ post: generate(id, wholeText) })),
      ...ofAnyVersion("/generate_stream", "generateStream", (id) => ({
        post: generate(id, textAsItComes),
      })),
      "/v1/models": { get: plain("models", "Names of the models, as KServe v1", "models") },
      "/v1/models/{model}": {
        parameters: [modelParameter],
        get: plain("models", "Whether a model is served, as KServe v1", "modelV1"),
      },
      "/v1/models/{model}:predict": { parameters: [modelParameter], post: predict("predict") },
      ...Object.fromEntries(models.flatMap(pathsOf)),
      "/": { post: event() },
      "/metrics": { get: text("server", "Prometheus metrics", "metrics") },
    },
    components: { schemas: { Error: errorSchema, Tensor: anyTensor("data") }, responses: faults },
  };
}

const pathParameter = (name: string): Json => ({
  name,
  in: "path",
  required: true,
  schema: { type: "string" },
});
const modelParameter = pathParameter("model");

/** A path of models, and the same of one of their versions. */
function ofAnyVersion(end: string, operationId: string, item: (operationId: string) => Json): Json {
  return {
    [`/v2/models/{model}${end}`]: { parameters: [modelParameter], ...item(operationId) },
    [`/v2/models/{model}/versions/{version}${end}`]: {
      parameters: [modelParameter, pathParameter("version")],
      ...item(`${operationId}OfVersion`),
    },
  };
}

const errorSchema = {
  type: "object",
  required: ["error"],
  properties: { error: { type: "string" } },
};

const faultOf = (description: string): Json => ({
  description,
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
});

/** The faults that any inference may have; the key is the name of the response. */
const faults: Readonly<Record<string, Json>> = {
  Invalid: faultOf("The request does not fit the model"),
  NotFound: faultOf("There is no such model or version"),
  TooLarge: faultOf("The body is larger than the server takes"),
  Overloaded: faultOf("Too many requests wait; Retry-After says when to try again"),
  Failed: faultOf("The model failed on this input"),
  NotReady: faultOf("The model is still loading, or the server is draining"),
  Deadline: faultOf("The inference did not finish in time"),
};

const faultStatuses = {
  "400": "Invalid",
  "404": "NotFound",
  "413": "TooLarge",
  "429": "Overloaded",
  "500": "Failed",
  "503": "NotReady",
  "504": "Deadline",
};

type Inference = {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly asked: Body;
  readonly answered: Body & { readonly description: string };
};

type Body = {
  readonly schema: Json;
  readonly example?: Json;
  /** JSON without it. */
  readonly type?: string;
};

/** An operation that runs a model: a body in, an answer or one of the faults out. */
function inference({ asked, answered, ...operation }: Inference): Json {
  const references = Object.entries(faultStatuses).map(([status, name]) => [
    status,
    { $ref: `#/components/responses/${name}` },
  ]);
  const { description, ...answer } = answered;
  return {
    tags: ["inference"],
    ...operation,
    requestBody: { required: true, content: contentOf(asked) },
    responses: {
      "200": { description, content: contentOf(answer) },
      ...(Object.fromEntries(references) as Json),
    },
  };
}

function contentOf({ type = "application/json", ...body }: Body): Json {
  return { [type]: body };
}

function probe(key: string, summary: string): Json {
  const schema = { type: "object", properties: { [key]: { type: "boolean" } } };
  const content = { "application/json": { schema } };
  return {
    tags: ["server"],
    operationId: `health-${key}`,
    summary,
    responses: { "200": { description: "Yes", content }, "503": { description: "Not yet" } },
  };
}

function plain(tag: string, summary: string, operationId: string): Json {
  const content = { "application/json": { schema: { type: "object" } } };
  return {
    tags: [tag],
    operationId,
    summary,
    responses: { "200": { description: summary, content }, default: faultOf("A fault") },
  };
}

function text(tag: string, summary: string, operationId: string): Json {
  const content = { "text/plain": { schema: { type: "string" } } };
  return {
    tags: [tag],
    operationId,
    summary,
    responses: { "200": { description: summary, content } },
  };
}

function infer(operationId: string, model?: DescribedModel): Json {
  const inputs = model === undefined ? anyTensors : tensorsOf(model.signature.inputs);
  const outputs = model === undefined ? anyTensors : tensorsOf(model.signature.outputs);
  const schema = {
    type: "object",
    required: ["inputs"],
    properties: {
      id: { type: "string", description: "Comes back with the answer" },
      parameters: { type: "object" },
      inputs,
      outputs: {
        type: "array",
        description: "Which outputs to answer with; all when absent",
        items: {
          type: "object",
          required: ["name"],
          properties: {
            name: namesOf(model?.signature.outputs),
            parameters: { type: "object" },
          },
        },
      },
    },
  };
  const example = model === undefined ? {} : { example: exampleRequest(model.signature) };
  const answer = {
    type: "object",
    required: ["model_name", "outputs"],
    properties: {
      model_name: { type: "string" },
      model_version: { type: "string" },
      id: { type: "string" },
      outputs,
    },
  };
  return inference({
    operationId,
    summary: "Open Inference Protocol v2: tensors in, tensors out",
    asked: { schema, ...example },
    answered: { description: "The outputs", schema: answer },
  });
}

const generatedText = {
  type: "object",
  required: ["model_name", "model_version", "text_output"],
  properties: {
    id: { type: "string" },
    model_name: { type: "string" },
    model_version: { type: "string" },
    text_output: { type: "string" },
  },
};

type Generated = Pick<Inference, "summary" | "answered">;
const wholeText: Generated = {
  summary: "Triton's generate extension: text in, text out, of a model whose task makes text",
  answered: { description: "The text", schema: generatedText },
};
const textAsItComes: Generated = {
  summary: "The same, piece by piece as server-sent events; the data of each is an answer",
  answered: { description: "The text", type: "text/event-stream", schema: { type: "string" } },
};

function generate(operationId: string, generated: Generated): Json {
  const schema = {
    type: "object",
    required: ["text_input"],
    properties: {
      id: { type: "string", description: "Comes back with the answer" },
      text_input: { type: "string" },
      stream: { type: "boolean" },
      parameters: {
        type: "object",
        description: "Of the generation, for instance max_tokens, temperature, seed, stop",
      },
    },
  };
  return inference({ operationId, asked: { schema }, ...generated });
}

function event(): Json {
  const type = "application/cloudevents+json";
  const schema = { type: "object", required: ["specversion", "id", "source", "type"] };
  return inference({
    operationId: "event",
    summary: "A CloudEvent with an inference request in, one with the answer out",
    description: "Structured as here, or binary: attributes as ce- headers, the request as body",
    asked: { schema, type },
    answered: { description: "The event of the answer", schema, type },
  });
}

function predict(operationId: string): Json {
  const schema = {
    type: "object",
    properties: {
      instances: { type: "array", description: "A row for each prediction" },
      inputs: { description: "The same by columns: an array, or one for each input by its name" },
    },
    oneOf: [{ required: ["instances"] }, { required: ["inputs"] }],
  };
  const answer = {
    type: "object",
    properties: { predictions: { type: "array" }, outputs: {} },
    oneOf: [{ required: ["predictions"] }, { required: ["outputs"] }],
  };
  const description = "A prediction for each instance, or the outputs by columns";
  return inference({
    operationId,
    summary: "KServe v1: instances or inputs in, predictions out",
    asked: { schema },
    answered: { description, schema: answer },
  });
}

function pathsOf(model: DescribedModel): [string, Json][] {
  const name = encodeURIComponent(model.name);
  return [
    [`/v2/models/${name}/infer`, { post: infer(`infer-${model.name}`, model) }],
    [`/v1/models/${name}:predict`, { post: predict(`predict-${model.name}`) }],
  ];
}

function namesOf(specs: readonly TensorSpec[] | undefined): Json {
  return {
    type: "string",
    ...(specs === undefined ? {} : { enum: specs.map(({ name }) => name) }),
  };
}

function anyTensor(data: string): Json {
  return {
    type: "object",
    required: ["name", "shape", "datatype", data],
    properties: {
      name: { type: "string" },
      shape: { type: "array", items: { type: "integer", minimum: 0 } },
      datatype: { type: "string", enum: Object.keys(datatypes) },
      parameters: { type: "object" },
      [data]: { type: "array" },
    },
  };
}

const anyTensors = { type: "array", items: { $ref: "#/components/schemas/Tensor" } };

/** One of the tensors, each with its own name, datatype and shape. */
function tensorsOf(specs: readonly TensorSpec[]): Json {
  const items = specs.map((spec) => ({
    type: "object",
    required: ["name", "shape", "datatype", "data"],
    properties: {
      name: { const: spec.name },
      datatype: { const: spec.datatype },
      shape: {
        type: "array",
        description: `[${spec.shape.join(", ")}]; -1 stands for any size`,
        prefixItems: spec.shape.map((size) =>
          size < 0 ? { type: "integer", minimum: 0 } : { const: size },
        ),
        minItems: spec.shape.length,
        maxItems: spec.shape.length,
      },
      data: { type: "array", description: "Elements in row-major order, flat or nested" },
    },
  }));
  return { type: "array", items: items.length === 1 ? items[0] : { oneOf: items } };
}

/** A request that the model takes: every dimension without a size is 1, every element nothing. */
export function exampleRequest(signature: Signature): { inputs: readonly ExampleTensor[] } {
  return { inputs: signature.inputs.map(exampleTensor) };
}

export type ExampleTensor = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  readonly data: readonly (number | boolean | string)[];
};

/** More elements than this make no readable example. */
const exampleElementsMax = 4096;

function exampleTensor({ name, datatype, shape }: TensorSpec): ExampleTensor {
  const sizes = shape.map((size) => (size < 0 ? 1 : size));
  const count = Math.min(
    sizes.reduce((product, size) => product * size, 1),
    exampleElementsMax,
  );
  const element = { bool: false, string: "", integer: 0, long: 0, float: 0 }[
    datatypes[datatype].kind
  ];
  return { name, shape: sizes, datatype, data: Array.from({ length: count }, () => element) };
}
