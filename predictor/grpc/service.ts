/**
 * inference.GRPCInferenceService: what each method does, in the words of the messages' tables. The
 * wire, deadlines and status codes are server.ts's.
 */
import { inlineBodies } from "../bodies/bodies.ts";
import type { Bodies, How } from "../bodies/bodies.ts";
import { ServingError, invalid } from "../errors.ts";
import { asServingError } from "../http/answer.ts";
import { failureReasonOf } from "../http/inference.ts";
import type { OnFault } from "../http/inference.ts";
import { refuseContent, repositoryIndex } from "../http/routes/repository.ts";
import { allStatistics } from "../http/routes/statistics.ts";
import type { Service } from "../http/service.ts";
import type { Watcher } from "../observe/watch.ts";
import { modelConfig } from "../protocol/config.ts";
import { encodeInferMessage, textOf } from "../protocol/grpc-infer.ts";
import { dataTypes } from "../protocol/grpc-messages.ts";
import type { MethodName } from "../protocol/grpc-messages.ts";
import type { InferRequest } from "../protocol/infer.ts";
import { modelMetadata, serverMetadata } from "../protocol/metadata.ts";
import { schedulingOf } from "../protocol/parameters.ts";
import type { Message } from "../protocol/protobuf.ts";
import type { Bytes } from "../protocol/tensor.ts";
import type { ServedModel, ServedVersion } from "../served-model.ts";
import { handleCall } from "./handled.ts";
import type { HandledCall } from "./handled.ts";
import { watchCall } from "./watched.ts";

export type GrpcOptions = {
  readonly service: Service;
  readonly version: string;
  /** Whether metadata bears the administration's token; nothing where no token is set. */
  readonly allowed?: (authorization: string | undefined) => boolean;
  /** Told of faults that are ours, for the log. */
  readonly onFault: OnFault;
  /** Who decodes and encodes; without it, this very turn of the loop. */
  readonly bodies?: Bodies | undefined;
  /** Who looks on; asked at each inference, since that is known only later. */
  readonly watch?: () => Watcher | undefined;
};

/** One call: what the wire knows of it. */
export type Call = {
  /** `/SERVICE/METHOD`. */
  readonly path: string;
  /** The message as it came. */
  readonly received: Bytes;
  /** Which message of a stream it is, from 1; nothing outside of one. */
  readonly place?: number;
  readonly authorization: string | undefined;
  /** Metadata that is text. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Milliseconds left of the client's deadline; nothing without one. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the client left, or its deadline passed. */
  readonly signal: AbortSignal;
};

type Handler = (request: Message, call: Call) => Message | Promise<Message>;
export type Handlers = Readonly<Record<Exclude<MethodName, "ModelStreamInfer">, Handler>>;

/** The methods by name. They reject with ServingError. */
export function createHandlers(options: GrpcOptions): Handlers {
  const { service, version } = options;
  const find = async (request: Message): Promise<{ model: ServedModel; found: ServedVersion }> => {
    const model = await service.modelNamed(textOf(request, "name"));
    return { model, found: await model.version(textOf(request, "version") || undefined) };
  };
  return {
    ServerLive: () => ({ live: true }),
    ServerReady: () => ({ ready: service.ready }),
    ServerMetadata: () => ({ ...serverMetadata(version, options.allowed !== undefined) }),
    ModelReady: async (request) => {
      try {
        const { found } = await find(request);
        return { ready: found.ready && service.phase === "serving" };
      } catch (error) {
        // A question after readiness has an answer, also for a model that isn't there: as Triton's.
        const { code } = asServingError(error);
        if (code === "not-found" || code === "not-ready") return { ready: false };
        throw error;
      }
    },
    ModelMetadata: async (request) => {
      const { model, found } = await find(request);
      return { ...modelMetadata(model.name, model.versions, found.signature) };
    },
    ModelConfig: async (request) => {
      const { model, found } = await find(request);
      return { config: numbered(modelConfig(model.name, found.signature, found.batching)) };
    },
    ModelStatistics: async (request) => {
      if (textOf(request, "name") === "") return { model_stats: await allStatistics(service) };
      return { model_stats: [(await find(request)).found.metrics.statistics()] };
    },
    ModelInfer: async (request, call) => infer(request, call, options),
    ...repositoryHandlers(options),
  };
}

function numbered(config: ReturnType<typeof modelConfig>): Message {
  const tensors = (all: typeof config.input): Message[] =>
    all.map((each) => ({ ...each, data_type: dataTypes.indexOf(each.data_type) }));
  return { ...config, input: tensors(config.input), output: tensors(config.output) };
}

/** Of the request no more is decoded yet than which model it asks: see `first` of its method. */
async function infer(request: Message, call: Call, options: GrpcOptions): Promise<Message> {
  const how = { bodies: options.bodies ?? inlineBodies, gone: () => call.signal.aborted };
  const model = await options.service.modelNamed(textOf(request, "model_name"));
  const found = await model.version(textOf(request, "model_version") || undefined);
  const { metrics } = found;
  const watch = watchCall(options.watch?.(), call, { model: model.name, version: found.version });
  const started = performance.now();
  found.asked();
  let handled: HandledCall | undefined;
  try {
    handled = found.hooks && (await handleCall(found.hooks, call, how));
    const replaced = await handled?.preprocess();
    const decoding = performance.now();
    const asked = await decode(replaced, { call, version: found }, how);
    const { id, inputs, outputs, parameters } = asked;
    const decodedAt = performance.now();
    const leftMs = call.timeoutMs && Math.max(1, call.timeoutMs - (decodedAt - started));
    const ticket = found.submit({
      inputs,
      outputs,
      parameters,
      ...schedulingOf(parameters),
      ...(leftMs === undefined ? {} : { timeoutMs: leftMs }),
    });
    const leave = (): void => ticket.cancel();
    call.signal.addEventListener("abort", leave, { once: true });
    if (call.signal.aborted) leave();
    const result = await ticket.result;
    watch?.ran(result);
    const predictedAt = performance.now();
    const named = { modelName: model.name, modelVersion: found.version };
    const answer = { ...named, ...(id !== undefined && { id }), outputs: result.outputs };
    const encoded = encodeInferMessage(answer);
    const encodedAt = performance.now();
    const message = (await handled?.postprocess(answer)) ?? encoded;
    metrics.succeeded({
      decodeMs: decodedAt - decoding,
      predictMs: predictedAt - decodedAt,
      encodeMs: encodedAt - predictedAt,
    });
    watch?.answered(message);
    handled?.answered(answer);
    return message;
  } catch (error) {
    const fault = asServingError(error);
    metrics.failed(failureReasonOf(fault), performance.now() - started);
    watch?.failed(fault);
    handled?.failed(fault);
    throw error;
  }
}

/** The JSON that a handler gave, or else the client's message. */
async function decode(
  replaced: Bytes | undefined,
  { call, version }: { readonly call: Call; readonly version: ServedVersion },
  { bodies, gone }: How,
): Promise<InferRequest> {
  const { signatures } = version;
  if (replaced === undefined) {
    return bodies.do("message", { body: call.received, signatures }, gone);
  }
  return bodies.do("infer", { body: replaced, headerLength: undefined, signatures }, gone);
}

type RepositoryMethod = "RepositoryIndex" | "RepositoryModelLoad" | "RepositoryModelUnload";

function repositoryHandlers({ service, allowed }: GrpcOptions): Pick<Handlers, RepositoryMethod> {
  const administer = ({ authorization }: Call): void => {
    if (allowed === undefined) {
      throw new ServingError("not-implemented", "the repository is served with ADMIN_TOKEN only");
    }
    if (allowed(authorization)) return;
    const says = "the repository needs the metadata authorization: Bearer with ADMIN_TOKEN";
    throw new ServingError("unauthorized", says);
  };
  return {
    RepositoryIndex: (request, call) => {
      administer(call);
      return { models: repositoryIndex(service.models(), request["ready"] === true) };
    },
    RepositoryModelLoad: async (request, call) => {
      administer(call);
      refuseContent(request["parameters"]);
      const name = repositoryModel(request);
      await service.load(name);
      return { model_name: name, isLoaded: true };
    },
    RepositoryModelUnload: async (request, call) => {
      administer(call);
      const name = repositoryModel(request);
      await service.unload(name);
      return { model_name: name, isUnloaded: true };
    },
  };
}

/** KServe's clients have the name as field 1, Triton's as field 2. */
function repositoryModel(request: Message): string {
  const name = textOf(request, "model_name") || textOf(request, "repository_name");
  if (name === "") throw invalid("model_name is empty");
  return name;
}
