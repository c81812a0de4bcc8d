/** The messages of predictor/grpc/inference.proto as tables; names and numbers are that file's. */
import type { Field, MessageType, Scalar } from "./protobuf.ts";

const one = (id: number, type: Scalar | MessageType): Field => ({ id, type });
const many = (id: number, type: Scalar | MessageType): Field => ({ id, type, repeated: true });

const choice = (id: number, type: Scalar): Field => ({ id, type, choice: true });

const parameter: MessageType = {
  bool_param: choice(1, "bool"),
  int64_param: choice(2, "long"),
  string_param: choice(3, "string"),
  double_param: choice(4, "double"),
  uint64_param: choice(5, "ulong"),
};
const parameters = (id: number): Field =>
  many(id, { key: one(1, "string"), value: one(2, parameter) });

/** InferTensorContents. */
export const contents = {
  bool_contents: one(1, "varints"),
  int_contents: one(2, "varints"),
  int64_contents: one(3, "varints"),
  uint_contents: one(4, "varints"),
  uint64_contents: one(5, "varints"),
  fp32_contents: one(6, "fixed"),
  fp64_contents: one(7, "fixed"),
  bytes_contents: one(8, "elements"),
} as const satisfies MessageType;

const named: MessageType = { name: one(1, "string"), version: one(2, "string") };
const nothing: MessageType = {};

const tensorHead: MessageType = {
  name: one(1, "string"),
  datatype: one(2, "string"),
  shape: many(3, "long"),
};
const duration: MessageType = { count: one(1, "long"), ns: one(2, "long") };
const repositoryModel: MessageType = {
  repository_name: one(1, "string"),
  model_name: one(2, "string"),
};

const inferRequest: MessageType = {
  model_name: one(1, "string"),
  model_version: one(2, "string"),
  id: one(3, "string"),
  parameters: parameters(4),
  inputs: many(5, { ...tensorHead, parameters: parameters(4), contents: one(5, contents) }),
  outputs: many(6, { name: one(1, "string"), parameters: parameters(2) }),
  raw_input_contents: many(7, "bytes"),
};
/** What of a ModelInferRequest says which model is asked. */
const inferTarget: MessageType = { model_name: one(1, "string"), model_version: one(2, "string") };
/** What of it says how much work its tensors are. */
export const inferSizes: MessageType = { inputs: many(5, { contents: one(5, "bytes") }) };
const inferResponse: MessageType = {
  model_name: one(1, "string"),
  model_version: one(2, "string"),
  id: one(3, "string"),
  parameters: parameters(4),
  outputs: many(5, tensorHead),
  raw_output_contents: many(6, "bytes"),
};

const configTensor = (dims: number): MessageType => ({
  name: one(1, "string"),
  data_type: one(2, "int"),
  dims: many(dims, "long"),
});
const config: MessageType = {
  name: one(1, "string"),
  platform: one(2, "string"),
  max_batch_size: one(4, "int"),
  input: many(5, configTensor(4)),
  output: many(6, configTensor(3)),
  dynamic_batching: one(11, {
    preferred_batch_size: many(1, "int"),
    max_queue_delay_microseconds: one(2, "long"),
  }),
  backend: one(17, "string"),
};

const statistics: MessageType = {
  name: one(1, "string"),
  version: one(2, "string"),
  last_inference: one(3, "long"),
  inference_count: one(4, "long"),
  execution_count: one(5, "long"),
  inference_stats: one(6, {
    success: one(1, duration),
    fail: one(2, duration),
    queue: one(3, duration),
    compute_input: one(4, duration),
    compute_infer: one(5, duration),
    compute_output: one(6, duration),
    cache_hit: one(7, duration),
    cache_miss: one(8, duration),
  }),
  batch_stats: many(7, {
    batch_size: one(1, "long"),
    compute_input: one(2, duration),
    compute_infer: one(3, duration),
    compute_output: one(4, duration),
  }),
};

export type Method = {
  readonly request: MessageType;
  /** What is decoded of a request to begin with, where it isn't all: tensors may be large. */
  readonly first?: MessageType;
  readonly response: MessageType;
  readonly stream?: true;
};

/** The methods of inference.GRPCInferenceService. */
export const methods = {
  ServerLive: { request: nothing, response: { live: one(1, "bool") } },
  ServerReady: { request: nothing, response: { ready: one(1, "bool") } },
  ServerMetadata: {
    request: nothing,
    response: { ...named, extensions: many(3, "string") },
  },
  ModelReady: { request: named, response: { ready: one(1, "bool") } },
  ModelMetadata: {
    request: named,
    response: {
      name: one(1, "string"),
      versions: many(2, "string"),
      platform: one(3, "string"),
      inputs: many(4, tensorHead),
      outputs: many(5, tensorHead),
    },
  },
  ModelInfer: { request: inferRequest, first: inferTarget, response: inferResponse },
  ModelStreamInfer: {
    request: inferRequest,
    first: inferTarget,
    response: { error_message: one(1, "string"), infer_response: one(2, inferResponse) },
    stream: true,
  },
  ModelConfig: { request: named, response: { config: one(1, config) } },
  ModelStatistics: { request: named, response: { model_stats: many(1, statistics) } },
  RepositoryIndex: {
    request: { repository_name: one(1, "string"), ready: one(2, "bool") },
    response: {
      models: many(1, { ...named, state: one(3, "string"), reason: one(4, "string") }),
    },
  },
  RepositoryModelLoad: {
    request: repositoryModel,
    response: { model_name: one(1, "string"), isLoaded: one(2, "bool") },
  },
  RepositoryModelUnload: {
    request: repositoryModel,
    response: { model_name: one(1, "string"), isUnloaded: one(2, "bool") },
  },
} as const satisfies Readonly<Record<string, Method>>;

export type MethodName = keyof typeof methods;

/** The numbers of model_config.proto's DataType, by the protocol's names with `TYPE_` before. */
export const dataTypes: readonly string[] = [
  "TYPE_INVALID",
  "TYPE_BOOL",
  "TYPE_UINT8",
  "TYPE_UINT16",
  "TYPE_UINT32",
  "TYPE_UINT64",
  "TYPE_INT8",
  "TYPE_INT16",
  "TYPE_INT32",
  "TYPE_INT64",
  "TYPE_FP16",
  "TYPE_FP32",
  "TYPE_FP64",
  "TYPE_STRING",
  "TYPE_BF16",
];
