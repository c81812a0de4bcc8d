/** A request on its way through the model's handler, in the words of this room. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Hooked, HookHost } from "../hooks/host.ts";
import type { HookRequest } from "../hooks/types.ts";
import type { AnswerBody } from "../observe/watch.ts";
import type { Bytes } from "../protocol/tensor.ts";

/** What is decoded: the client's body, or the handler's. */
export type Given = {
  readonly body: Bytes;
  /** Where the JSON ends in a body with binary tensors. */
  readonly headerLength: number | undefined;
};

/** What is sent: JSON, JSON with tensors behind it, or what a handler made. */
export type Encoded =
  | { readonly json: string | Bytes; readonly parts?: readonly Bytes[] }
  | { readonly bytes: Bytes; readonly contentType: string };

export type Handled = {
  /** What to decode instead of the client's body, if the handler says so. */
  preprocess(): Promise<Given | undefined>;
  /** What to send instead. */
  postprocess(encoded: Encoded): Promise<Encoded | undefined>;
  after(status: number, answer: AnswerBody): void;
};

/** Begins a request at the handler. A client that hangs up aborts its hooks' signal. */
export function handle(
  hooks: HookHost,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  protocol: HookRequest["protocol"],
  received: Bytes,
): Handled {
  const started = performance.now();
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const hooked: Hooked = hooks.begin({ protocol, headers }, ownBytes(received));
  const leave = (): void => hooked.abort();
  response.once("close", leave);
  return {
    preprocess: async () => {
      const replaced = await hooked.preprocess();
      if (replaced === undefined) return undefined;
      const length = Number(request.headers["inference-header-content-length"]);
      const keeps = !replaced.json && Number.isSafeInteger(length);
      return { body: replaced.bytes, headerLength: keeps ? length : undefined };
    },
    postprocess: async (encoded) => {
      const replaced = await hooked.postprocess(200, bytesOf(partsOf(encoded)));
      if (replaced === undefined) return undefined;
      const { bytes, json, contentType = "application/json" } = replaced;
      return json ? { json: new TextDecoder().decode(bytes) } : { bytes, contentType };
    },
    after: (status, answer) => {
      response.off("close", leave);
      hooked.after(status, bytesOf(answer), performance.now() - started);
    },
  };
}

function partsOf(encoded: Encoded): AnswerBody {
  return "bytes" in encoded ? [encoded.bytes] : [encoded.json, ...(encoded.parts ?? [])];
}

function bytesOf(parts: AnswerBody): Bytes {
  return ownBytes(
    Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part))),
  );
}

/** Copied: small Buffers share memory with others, which must not travel to the handler. */
function ownBytes(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}
