/** A gRPC call on its way through a model's handler, which sees the JSON of the v2 protocol. */
import type { How } from "../bodies/bodies.ts";
import { ServingError } from "../errors.ts";
import type { HookHost } from "../hooks/host.ts";
import { statuses } from "../http/answer.ts";
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
const asBytes = (text: string | Bytes): Bytes =>
  typeof text === "string" ? encoder.encode(text) : text;

/**
 * Begins a call at the handler. A client that leaves aborts its hooks' signal. Rejects with
 * ServingError when the message can't be read.
 */
export async function handleCall(
  hooks: HookHost,
  call: Call,
  { bodies, gone }: How,
): Promise<HandledCall> {
  const started = performance.now();
  const json = asBytes(await bodies.do("message-json", { body: call.received }, gone));
  const hooked = hooks.begin({ protocol: "grpc", headers: call.headers() }, json);
  const leave = (): void => hooked.abort();
  call.signal.addEventListener("abort", leave, { once: true });
  if (call.signal.aborted) leave();
  const jsonOf = async (answer: InferAnswer): Promise<Bytes> =>
    asBytes(await bodies.do("infer-answer", { answer, binary: undefined }));
  let replaced: Bytes | undefined;
  const after = (status: number, bytes: Bytes): void => {
    call.signal.removeEventListener("abort", leave);
    hooked.after(status, bytes, performance.now() - started);
  };
  return {
    preprocess: async () => (await hooked.preprocess())?.bytes,
    postprocess: async (answer) => {
      const bytes = hooks.has("postprocess") ? await jsonOf(answer) : new Uint8Array();
      const given = await hooked.postprocess(200, bytes);
      if (given === undefined) return undefined;
      const { modelName: model_name, modelVersion: model_version } = answer;
      const said = await bodies.do("json-message", { body: given.bytes }, gone);
      replaced = given.bytes;
      return { model_name, model_version, ...defined(said) };
    },
    answered: (answer) => {
      // Whole tensors as text are worth it only for someone who looks at them.
      if (!hooks.has("afterResponse")) after(200, new Uint8Array());
      else if (replaced !== undefined) after(200, replaced);
      else {
        void jsonOf(answer).then(
          (bytes) => after(200, bytes),
          // Too many are waiting to be written: the hook learns of the call alone.
          () => after(200, new Uint8Array()),
        );
      }
    },
    failed: ({ code, message }) =>
      after(statuses[code], encoder.encode(JSON.stringify({ error: message }))),
  };
}

function defined(message: Message): Message {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}
