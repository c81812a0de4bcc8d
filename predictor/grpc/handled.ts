/** A gRPC call on its way through a model's handler, which sees the JSON of the v2 protocol. */
import { ServingError } from "../errors.ts";
import type { HookHost } from "../hooks/host.ts";
import { statuses } from "../http/answer.ts";
import { decodeAnswerJson, encodeRequestJson } from "../protocol/grpc-json.ts";
import { encodeInfer } from "../protocol/infer.ts";
import type { InferAnswer } from "../protocol/infer.ts";
import type { Message } from "../protocol/protobuf.ts";
import type { Bytes } from "../protocol/tensor.ts";
import type { Call } from "./service.ts";

export type HandledCall = {
  /** The JSON to decode instead of the client's message, if the handler says so. */
  preprocess(): Promise<Bytes | undefined>;
  /** What to answer instead. Rejects with `not-implemented` when a message can't say it. */
  postprocess(answer: InferAnswer): Promise<Message | undefined>;
  answered(answer: InferAnswer): void;
  failed(fault: ServingError): void;
};

const encoder = new TextEncoder();

/** Begins a call at the handler. A client that leaves aborts its hooks' signal. */
export function handleCall(hooks: HookHost, request: Message, call: Call): HandledCall {
  const started = performance.now();
  const json = encoder.encode(encodeRequestJson(request));
  const hooked = hooks.begin({ protocol: "grpc", headers: call.headers() }, json);
  const leave = (): void => hooked.abort();
  call.signal.addEventListener("abort", leave, { once: true });
  let replaced: Bytes | undefined;
  const after = (status: number, body: () => Bytes): void => {
    call.signal.removeEventListener("abort", leave);
    // Whole tensors as text are worth it only for someone who looks at them.
    const bytes = hooks.has("afterResponse") ? body() : new Uint8Array();
    hooked.after(status, bytes, performance.now() - started);
  };
  return {
    preprocess: async () => (await hooked.preprocess())?.bytes,
    postprocess: async (answer) => {
      const bytes = hooks.has("postprocess") ? jsonOf(answer) : new Uint8Array();
      const given = await hooked.postprocess(200, bytes);
      if (given === undefined) return undefined;
      const { modelName: model_name, modelVersion: model_version } = answer;
      const message = { model_name, model_version, ...defined(decodeAnswerJson(given.bytes)) };
      replaced = given.bytes;
      return message;
    },
    answered: (answer) => after(200, () => replaced ?? jsonOf(answer)),
    failed: ({ code, message }) =>
      after(statuses[code], () => encoder.encode(JSON.stringify({ error: message }))),
  };
}

const jsonOf = (answer: InferAnswer): Bytes => encoder.encode(encodeInfer(answer));

function defined(message: Message): Message {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}
