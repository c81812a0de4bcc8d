/** The server under examination: any that claims to speak the Open Inference Protocol v2. */
import assert from "node:assert/strict";

export interface Target {
  /** Without a slash at the end. */
  readonly url: string;
  readonly model: string;
  /** Where the repository's routes are, if not at `url`, and what they want to see. */
  readonly admin?: { readonly url: string; readonly token?: string };
  /** An inference that the model takes. */
  readonly request: InferRequest;
}

export interface InferTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

export interface InferRequest {
  readonly inputs: readonly InferTensor[];
}

export interface Behaviour {
  /** What a client may rely on, in a sentence. */
  readonly says: string;
  /** Where that is written, or whose practice it is. */
  readonly source: string;
  /** Rejects when the server doesn't behave so. */
  readonly check: (target: Target) => Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Nothing when the body is no JSON. */
  readonly json: unknown;
}

const TIMEOUT_MS = 20_000;

/** Asks the server; a body is sent as it is. */
export async function ask(
  { url }: { readonly url: string },
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(url + path, { signal: AbortSignal.timeout(TIMEOUT_MS), ...init });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, json: parsed(bytes) };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    return undefined;
  }
}

const json = { "content-type": "application/json" };

/** POSTs a value as JSON. */
export async function post(
  target: { readonly url: string },
  path: string,
  value: unknown,
): Promise<Answer> {
  return ask(target, path, { method: "POST", headers: json, body: JSON.stringify(value) });
}

/** The path of the model, with what follows it. */
export function modelPath({ model }: Target, end = ""): string {
  return `/v2/models/${encodeURIComponent(model)}${end}`;
}

/** POSTs the inference, with other fields added or replaced. */
export async function infer(target: Target, fields: object = {}): Promise<Answer> {
  return post(target, modelPath(target, "/infer"), { ...target.request, ...fields });
}

export interface Inference {
  readonly id?: string;
  readonly model_name: string;
  readonly outputs: readonly (InferTensor & { readonly parameters?: Record<string, unknown> })[];
}

/** The answer of an inference that must succeed. */
export function inferenceOf(answer: Answer): Inference {
  assert.equal(
    answer.status,
    200,
    `status ${answer.status}: ${answer.bytes.toString().slice(0, 200)}`,
  );
  const given = answer.json as Inference | undefined;
  assert(Array.isArray(given?.outputs), "the answer has no outputs");
  return given;
}

/** The answer must be that status, with `{"error": "…"}` and nothing else. */
export function assertError(answer: Answer, status: number): void {
  const text = answer.bytes.toString().slice(0, 200);
  assert.equal(answer.status, status, `status ${answer.status}, not ${status}: ${text}`);
  const { error, ...others } = (answer.json ?? {}) as Record<string, unknown>;
  assert.equal(typeof error, "string", `no {"error": "…"}: ${text}`);
  assert.deepEqual(Object.keys(others), [], `more than {"error": "…"}: ${text}`);
}

const widths: Readonly<Record<string, number>> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  BF16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
};

/** A tensor's elements as the binary tensor data extension lays them out. */
export function bytesOf({ datatype, data }: InferTensor): Buffer {
  if (datatype === "BYTES") {
    return Buffer.concat(
      data.flatMap((each) => {
        const text = Buffer.from(String(each));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.byteLength);
        return [length, text];
      }),
    );
  }
  const width = widths[datatype];
  assert(width !== undefined, `no width of ${datatype}`);
  const bytes = Buffer.alloc(width * data.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [index, each] of data.entries())
    writeElement(view, index * width, datatype, Number(each));
  return bytes;
}

function writeElement(view: DataView, at: number, datatype: string, value: number): void {
  if (datatype === "FP32") view.setFloat32(at, value, true);
  else if (datatype === "FP64") view.setFloat64(at, value, true);
  else if (datatype === "FP16") view.setFloat16(at, value, true);
  else if (datatype === "BF16") view.setUint16(at, upperHalf(value), true);
  else if (datatype.endsWith("64")) view.setBigInt64(at, BigInt(value), true);
  else if (datatype.endsWith("32")) view.setInt32(at, value, true);
  else if (datatype.endsWith("16")) view.setInt16(at, value, true);
  else view.setInt8(at, value);
}

/** Of a number that has so few digits, its bfloat16. */
function upperHalf(value: number): number {
  const wide = new DataView(new ArrayBuffer(4));
  wide.setFloat32(0, value);
  return wide.getUint16(0);
}

/** POSTs the inference with its tensors as bytes. */
export async function inferBinary(target: Target, fields: object = {}): Promise<Answer> {
  const parts = target.request.inputs.map(bytesOf);
  const inputs = target.request.inputs.map(({ name, datatype, shape }, index) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: parts[index]?.byteLength },
  }));
  const head = Buffer.from(JSON.stringify({ ...fields, inputs }));
  return ask(target, modelPath(target, "/infer"), {
    method: "POST",
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(head.byteLength),
    },
    body: Buffer.concat([head, ...parts]),
  });
}

/** The JSON of an answer that has bytes behind it, and those bytes. */
export function splitBinary(answer: Answer): { head: Inference; rest: Buffer } {
  const length = answer.headers.get("inference-header-content-length");
  assert(length !== null, "no Inference-Header-Content-Length in the answer");
  const head = parsed(answer.bytes.subarray(0, Number(length))) as Inference;
  return { head, rest: answer.bytes.subarray(Number(length)) };
}
